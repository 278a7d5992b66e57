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

-- name: removals
-- Whose events lost their bodies since the read models last looked; who lost more than once is due at
-- the last of them.
SELECT id, stream FROM ledger.removals AS removal
WHERE what = 'body' AND id > (SELECT coalesce(max(refolded.removal), 0) FROM ops.refolded)
    AND NOT EXISTS (
        SELECT FROM ledger.removals AS later
        WHERE later.stream = removal.stream AND later.what = 'body' AND later.id > removal.id
    )
ORDER BY id LIMIT %s

-- name: refolded
INSERT INTO ops.refolded (removal) VALUES (%s)
ON CONFLICT (only_row) DO UPDATE SET removal = excluded.removal
