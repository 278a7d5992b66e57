-- name: position
SELECT coalesce(min(position), 0) FROM read.progress

-- name: last_purchase
-- How many customers bought, how many of them since `old`, and the newest purchase before that.
SELECT count(last_purchase), count(*) FILTER (WHERE last_purchase >= %(old)s),
    max(last_purchase) FILTER (WHERE last_purchase < %(old)s)
FROM read.customer_directory

-- name: known
SELECT 1 FROM read.customer_directory WHERE stream = %s
