-- name: one_at_a_time
-- Two processes that start together make the tables once.
SELECT pg_advisory_xact_lock(hashtextextended('rapport projections: tables', 0))

-- name: columns
SELECT attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)
FROM pg_attribute AS attribute
JOIN pg_class AS class ON class.oid = attribute.attrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname = 'read' AND class.relname = %s AND class.relkind IN ('r', 'p')
    AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum

-- name: activate
-- The first version becomes the active one; a later one waits for its swap.
INSERT INTO read.versions (name, active) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING

-- name: checkpoint
INSERT INTO read.checkpoints (name, position) VALUES (%s, 0) ON CONFLICT (name) DO NOTHING
