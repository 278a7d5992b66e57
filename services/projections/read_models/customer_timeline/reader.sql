-- name: page
-- Newest first; `before` is the last row of the page before.
SELECT position, event_id, type, source, simulated, occurred_at, recorded_at, sentence, schema,
    version
FROM read.customer_timeline
WHERE stream = %(stream)s AND occurred_at <= %(as_of)s
    AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
    AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(simulated)s::boolean IS NULL OR simulated = %(simulated)s)
    AND (
        %(before_time)s::timestamptz IS NULL
        OR (occurred_at, position) < (%(before_time)s, %(before_position)s::bigint)
    )
ORDER BY occurred_at DESC, position DESC
LIMIT %(limit)s

-- name: newest
SELECT asked.type, newest.occurred_at
FROM unnest(%(types)s::text[]) AS asked (type)
CROSS JOIN LATERAL (
    SELECT occurred_at FROM read.customer_timeline
    WHERE type = asked.type AND occurred_at <= %(as_of)s
        AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
    ORDER BY occurred_at DESC LIMIT 1
) AS newest
