-- name: entries
-- Both times count from 1970 when they are read as whole numbers: PostgreSQL counts from 2000, and
-- these are the seconds between. LIMIT keeps the rows in the order of the index, never to be sorted,
-- however many there are. An event whose stream was taken away is told as
-- a removed one is: by the hole it leaves.
SELECT position, version, occurred_at + interval '946684800 seconds',
    recorded_at + interval '946684800 seconds', known.stream, leaf, body_digest,
    source, event_id, type, schema, coalesce(key_id, known.stream || '/1'), body
FROM ledger.rows
CROSS JOIN LATERAL (
    SELECT stream FROM ledger.streams WHERE number = stream_number LIMIT 1
) AS known
WHERE position > %(after)s AND position <= coalesce(%(up_to)s::bigint, 9223372036854775807)
ORDER BY position
