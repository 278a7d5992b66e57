-- name: no_idle_limit
SET idle_in_transaction_session_timeout = 0

-- name: try_lock
-- Held by the session: it goes with the connection, whatever becomes of the process.
SELECT pg_try_advisory_lock(hashtextextended('rapport projections: ' || %s, 0))

-- name: checkpoints
SELECT name, position FROM read.checkpoints WHERE name = ANY(%s)
ORDER BY name FOR UPDATE

-- name: move
UPDATE read.checkpoints SET position = new.position, moved_at = clock_timestamp()
FROM unnest(%(names)s::text[], %(positions)s::bigint[]) AS new (name, position)
WHERE checkpoints.name = new.name
