-- name: last_note
SELECT note FROM ledger.checkpoints ORDER BY size DESC LIMIT 1

-- name: earlier
-- All there are, or if they are too many, the last in each of so many equal stretches of the log: a
-- fault is then narrowed to twice such a stretch at most, and the same log gives the same notes.
SELECT chosen.note FROM (
    SELECT DISTINCT ON (stretch) kept.size, kept.note,
        CASE WHEN kept.many > %(most)s THEN kept.size * %(most)s / %(size)s ELSE kept.size END
            AS stretch
    FROM (
        SELECT size, note, count(*) OVER () AS many FROM ledger.checkpoints WHERE size < %(size)s
    ) AS kept
    ORDER BY stretch, kept.size DESC
) AS chosen
ORDER BY chosen.size

-- name: leaves_before
-- The leaf that each of these stands behind, in its stream.
SELECT asked.stream, before.leaf
FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) AS asked (stream, version)
JOIN ledger.events AS before
    ON before.stream = asked.stream AND before.version = asked.version - 1

-- name: records
SELECT note FROM ledger.restorations ORDER BY restored_at
