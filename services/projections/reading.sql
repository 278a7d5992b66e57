-- name: snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: progress
SELECT name, position FROM read.progress

-- name: everyone
SELECT stream FROM read.customer_directory ORDER BY stream

-- name: with_open_signals
SELECT stream FROM read.churn_signals WHERE open_signals > 0 ORDER BY stream
