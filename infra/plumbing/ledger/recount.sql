-- name: leaves
SELECT count(*), coalesce(string_agg(leaf, ''::bytea ORDER BY position), ''::bytea)
FROM ledger.events WHERE position > %(after)s AND position <= %(up_to)s

-- name: gap
-- The first place at which another position stands; the window's end where the last ones are missing.
SELECT place, coalesce(position, %(up_to)s + 1)
FROM generate_series(%(after)s + 1, %(up_to)s) AS place
LEFT JOIN LATERAL (
    SELECT position FROM ledger.events WHERE position >= place ORDER BY position LIMIT 1
) AS next ON true
WHERE position IS DISTINCT FROM place ORDER BY place LIMIT 1
