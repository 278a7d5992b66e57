-- name: lock_head
-- Waits for its turn; the clock is read only when the lock is held. recorded_at never decreases.
SELECT size, frontier, greatest(recorded_at, clock_timestamp()) FROM ledger.head FOR UPDATE

-- name: newest_fence
-- A statement of its own: its snapshot is taken when the lock is held.
SELECT coalesce(max(number), 0) FROM vault.fences

-- name: fenced
SELECT uuid_send(stream) FROM vault.fences WHERE stream = ANY(%b::uuid[])

-- name: known
SELECT uuid_send(event_key), stream, version, position, leaf, content_mac, body_digest
FROM ledger.events WHERE event_key = ANY(%b::uuid[])

-- name: last
SELECT uuid_send(asked.stream), last.version, last.leaf
FROM unnest(%b::uuid[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT version, leaf FROM ledger.events
    WHERE stream = asked.stream ORDER BY version DESC LIMIT 1
) AS last

-- name: append_one
SELECT * FROM ledger.append_one(
    %b::uuid, %b::uuid, %b::bigint, %b::bytea, %b::bytea, %b::timestamptz, %b::bigint,
    %b::timestamptz, %b::text, %b::text, %b::text, %b::text, %b::text, %b::bytea, %b::bytea,
    %b::bytea, %b::bigint
)

-- name: move_head
WITH told AS (SELECT pg_notify('rapport_ledger', ''))
UPDATE ledger.head SET size = %b, frontier = %b, recorded_at = %b FROM told

-- name: size
SELECT size FROM ledger.head

-- name: deployment
SELECT deployment FROM ledger.head

-- name: after
SELECT position, stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM ledger.events WHERE position > %(position)s ORDER BY position LIMIT %(limit)s

-- name: history
SELECT position, stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM ledger.events WHERE stream = %b ORDER BY version

-- name: histories
SELECT position, stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM ledger.events
WHERE stream = ANY(%(streams)s)
    AND position <= coalesce(%(up_to)s::bigint, 9223372036854775807)
    AND occurred_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
    AND recorded_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
ORDER BY stream, version
