-- name: recorded
SELECT size FROM ledger.head

-- name: edge
SELECT size, frontier FROM ledger.head

-- name: tile
SELECT hashes FROM ledger.tiles WHERE level = %(level)s AND index = %(index)s

-- name: leaves
SELECT position, leaf FROM ledger.events
WHERE position > %(after)s AND position <= %(up_to)s ORDER BY position

-- name: roots
SELECT index, root FROM ledger.tiles
WHERE level = %(level)s AND index BETWEEN %(first)s AND %(last)s

-- name: next_tile
SELECT coalesce(max(index) + 1, 0) FROM ledger.tiles WHERE level = %(level)s

-- name: leaves_by_tile
-- Leaf index = position - 1. `level` is not asked for: there is nothing below leaves.
SELECT (position - 1) / 256, string_agg(leaf, ''::bytea ORDER BY position)
FROM ledger.events WHERE position BETWEEN %(first)s + 1 AND %(last)s + 1
GROUP BY 1 ORDER BY 1

-- name: roots_by_tile
SELECT index / 256, string_agg(root, ''::bytea ORDER BY index)
FROM ledger.tiles WHERE level = %(level)s AND index BETWEEN %(first)s AND %(last)s
GROUP BY 1 ORDER BY 1

-- name: store
INSERT INTO ledger.tiles (level, index, root, hashes)
SELECT %(level)s, * FROM unnest(%(indexes)s::bigint[], %(roots)s::bytea[], %(hashes)s::bytea[])
ON CONFLICT DO NOTHING

-- name: mend
-- What is as it should be is not touched.
INSERT INTO ledger.tiles AS known (level, index, root, hashes)
SELECT %(level)s, * FROM unnest(%(indexes)s::bigint[], %(roots)s::bytea[], %(hashes)s::bytea[])
ON CONFLICT (level, index) DO UPDATE SET root = excluded.root, hashes = excluded.hashes
WHERE known.root <> excluded.root OR known.hashes <> excluded.hashes

-- name: drop_beyond
DELETE FROM ledger.tiles WHERE level = %(level)s AND index >= %(full)s

-- name: drop_above
DELETE FROM ledger.tiles WHERE level >= %(level)s
