-- name: known
SELECT uuid_send(event_key), stream, version, position, leaf, content_mac,
    coalesce(body_digest, sha256(body)), type, occurred_at
FROM ledger.events WHERE event_key = ANY(%b::uuid[]) AND stream IS NOT NULL

-- name: append_one
SELECT * FROM ledger.append_one(
    %b::uuid, %b::uuid, %b::bigint, %b::bytea, %b::bytea, %b::timestamptz, %b::bigint,
    %b::timestamptz, %b::text, %b::text, %b::text, %b::text, %b::text, %b::bytea, %b::bytea,
    %b::bytea, %b::bigint
)

-- name: size
SELECT size FROM ledger.head

-- name: deployment
SELECT deployment FROM ledger.head

-- name: after
SELECT position, stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM ledger.events WHERE position > %(position)s AND stream IS NOT NULL
ORDER BY position LIMIT %(limit)s

-- name: history
SELECT position, known.stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM (SELECT %b::uuid AS stream) AS known, ledger.rows
WHERE stream_number = (SELECT number FROM ledger.streams WHERE stream = known.stream)
ORDER BY version

-- name: histories
SELECT position, stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM ledger.events
WHERE stream = ANY(%(streams)s)
    AND position <= coalesce(%(up_to)s::bigint, 9223372036854775807)
    AND occurred_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
    AND recorded_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
ORDER BY stream, version
