-- name: entries
-- Both times count from 1970 when they are read as whole numbers: PostgreSQL counts from 2000, and
-- these are the seconds between.
SELECT position, version, occurred_at + interval '946684800 seconds',
    recorded_at + interval '946684800 seconds', stream, leaf, body_digest,
    source, event_id, type, schema, key_id, body
FROM ledger.events
WHERE position > %(after)s AND position <= coalesce(%(up_to)s::bigint, 9223372036854775807)
ORDER BY position
