-- name: checkpoint
SELECT note FROM ledger.checkpoints ORDER BY size DESC LIMIT 1

-- name: event
SELECT event.position, event.stream, event.version, before.leaf, event.source, event.event_id,
    event.type, event.schema, event.occurred_at, event.recorded_at, event.key_id, event.body,
    event.body_digest, event.leaf
FROM ledger.events AS event
LEFT JOIN ledger.events AS before
    ON before.stream = event.stream AND before.version = event.version - 1
WHERE event.position = %(position)s

-- name: known
SELECT position FROM ledger.events WHERE stream = %(stream)s LIMIT 1

-- name: history
SELECT event.position, event.stream, event.version, before.leaf, event.source, event.event_id,
    event.type, event.schema, event.occurred_at, event.recorded_at, event.key_id, event.body,
    event.body_digest, event.leaf
FROM ledger.events AS event
LEFT JOIN ledger.events AS before
    ON before.stream = event.stream AND before.version = event.version - 1
WHERE event.stream = %(stream)s AND event.version > %(after)s AND event.position <= %(size)s
ORDER BY event.version LIMIT %(limit)s
