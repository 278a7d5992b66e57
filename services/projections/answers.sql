-- name: position
SELECT coalesce(min(position), 0) FROM read.progress

-- name: last_purchase
SELECT max(last_purchase) FROM read.customer_directory

-- name: known
SELECT 1 FROM read.customer_directory WHERE stream = %s
