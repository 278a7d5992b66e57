-- name: last_note
SELECT note FROM ledger.checkpoints ORDER BY size DESC LIMIT 1

-- name: leaves_before
-- The leaf that each of these stands behind, in its stream.
SELECT asked.stream, before.leaf
FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) AS asked (stream, version)
JOIN ledger.events AS before
    ON before.stream = asked.stream AND before.version = asked.version - 1

-- name: records
SELECT note FROM ledger.restorations ORDER BY restored_at
