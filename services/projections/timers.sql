-- name: keep
-- The timers of the customers just folded, exactly as their states say.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(timed)b::uuid[], %(kinds)b::text[], %(due)b::timestamptz[])
        AS timer (stream, kind, due_at)
), gone AS (
    DELETE FROM read.timers USING unnest(%(streams)b::uuid[]) AS touched (stream)
    WHERE timers.model = %(model)s AND timers.stream = touched.stream
        AND NOT EXISTS (
            SELECT FROM wanted
            WHERE wanted.stream = timers.stream AND wanted.kind = timers.kind
        )
)
INSERT INTO read.timers (model, stream, kind, due_at)
SELECT %(model)s, stream, kind, due_at FROM wanted
ON CONFLICT (model, stream, kind) DO UPDATE
    SET due_at = excluded.due_at, proposed_at = NULL
    WHERE timers.due_at IS DISTINCT FROM excluded.due_at

-- name: due
SELECT stream FROM read.timers
WHERE proposed_at IS NULL AND due_at <= %(now)s AND model = %(model)s
ORDER BY due_at LIMIT %(limit)s

-- name: fired
UPDATE read.timers SET proposed_at = %(now)s
WHERE model = %(model)s AND stream = ANY(%(streams)s) AND due_at <= %(now)s
    AND proposed_at IS NULL

-- name: propose
INSERT INTO outbox.proposals (id, stream, type, occurred_at, data)
SELECT * FROM unnest(
    %(id)b::text[], %(stream)b::uuid[], %(type)b::text[], %(occurred_at)b::timestamptz[],
    %(data)b::bytea[]
)
ON CONFLICT (id) DO NOTHING
