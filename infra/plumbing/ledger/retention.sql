-- name: due
-- What drop_bodies would empty in this part of the log.
SELECT event.type, count(*), coalesce(sum(octet_length(event.body)), 0)::bigint
FROM ledger.events AS event
JOIN unnest(%(types)s::text[], %(schemas)s::text[], %(before)s::timestamptz[])
    AS past (type, schema, before)
    ON event.type = past.type AND event.schema = past.schema AND event.occurred_at < past.before
WHERE event.position > %(above)s AND event.position <= %(up_to)s AND event.body IS NOT NULL
GROUP BY event.type

-- name: bodies
-- The same events whole, as scan.sql reads them, each with the leaf before it in its stream.
SELECT event.position, event.version, event.occurred_at + interval '946684800 seconds',
    event.recorded_at + interval '946684800 seconds', known.stream, event.leaf, event.body_digest,
    event.source, event.event_id, event.type, event.schema,
    coalesce(event.key_id, known.stream || '/1'), event.body, before.leaf
FROM ledger.rows AS event
JOIN unnest(%(types)s::text[], %(schemas)s::text[], %(before)s::timestamptz[])
    AS past (type, schema, before)
    ON event.type = past.type AND event.schema = past.schema AND event.occurred_at < past.before
LEFT JOIN LATERAL (
    SELECT stream FROM ledger.streams WHERE number = event.stream_number LIMIT 1
) AS known ON true
LEFT JOIN LATERAL (
    SELECT leaf FROM ledger.rows AS earlier
    WHERE earlier.stream_number = event.stream_number AND earlier.version = event.version - 1 LIMIT 1
) AS before ON true
WHERE event.position > %(above)s AND event.position <= %(up_to)s AND event.body IS NOT NULL
ORDER BY event.position

-- name: drop
SELECT ledger.drop_bodies(
    %(types)s, %(schemas)s, %(before)s, %(above)s, %(up_to)s, %(reason)s
)

-- name: size
SELECT size FROM ledger.head

-- name: untold
SELECT removal.reason, event.type, count(*), min(event.position), max(event.position), max(removal.id)
FROM ledger.removals AS removal
CROSS JOIN LATERAL unnest(removal.positions) AS taken (position)
JOIN ledger.events AS event ON event.position = taken.position
WHERE removal.what = 'body' AND removal.id > %(last)s
GROUP BY 1, 2 ORDER BY 1, 2
