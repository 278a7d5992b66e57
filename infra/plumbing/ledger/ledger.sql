-- name: lock_head
-- Waits for its turn; the clock is read only when the lock is held. recorded_at never decreases.
SELECT size, frontier, greatest(recorded_at, clock_timestamp()) FROM ledger.head FOR UPDATE

-- name: known
SELECT event_key, stream, version, position, leaf, content_mac, body_digest
FROM ledger.events WHERE event_key = ANY(%(keys)s)

-- name: fenced
SELECT stream FROM vault.fences WHERE stream = ANY(%(streams)s)

-- name: last
SELECT asked.stream, last.version, last.leaf
FROM unnest(%(streams)s::uuid[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT version, leaf FROM ledger.events
    WHERE stream = asked.stream ORDER BY version DESC LIMIT 1
) AS last

-- name: insert
INSERT INTO ledger.events (
    position, version, occurred_at, recorded_at, sent_at, stream, event_key,
    source, event_id, type, schema, key_id, body_digest, leaf, content_mac, body
)
SELECT position, version, occurred_at, %(recorded_at)s, sent_at, stream, event_key,
    source, event_id, type, schema, key_id, body_digest, leaf, content_mac, body
FROM unnest(
    %(position)s::bigint[], %(version)s::bigint[], %(occurred_at)s::timestamptz[],
    %(sent_at)s::timestamptz[], %(stream)s::uuid[], %(event_key)s::uuid[], %(source)s::text[],
    %(event_id)s::text[], %(type)s::text[], %(schema)s::text[], %(key_id)s::text[],
    %(body_digest)s::bytea[], %(leaf)s::bytea[], %(content_mac)s::bytea[], %(body)s::bytea[]
) AS event (
    position, version, occurred_at, sent_at, stream, event_key, source,
    event_id, type, schema, key_id, body_digest, leaf, content_mac, body
)

-- name: move_head
UPDATE ledger.head SET size = %(size)s, frontier = %(frontier)s, recorded_at = %(recorded_at)s

-- name: size
SELECT size FROM ledger.head

-- name: deployment
SELECT deployment FROM ledger.head

-- name: after
SELECT position, stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM ledger.events WHERE position > %(position)s ORDER BY position LIMIT %(limit)s

-- name: histories
SELECT position, stream, version, source, event_id, type, schema, occurred_at, recorded_at, body
FROM ledger.events
WHERE stream = ANY(%(streams)s)
    AND position <= coalesce(%(up_to)s::bigint, 9223372036854775807)
    AND occurred_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
    AND recorded_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
ORDER BY stream, version
