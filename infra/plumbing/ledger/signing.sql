-- name: head
SELECT deployment, size, frontier FROM ledger.head

-- name: may_sign
-- No row where the database has not been prepared; that is told by whoever reads next.
SELECT has_table_privilege(found.oid, 'SELECT') AND has_table_privilege(found.oid, 'INSERT')
FROM pg_class AS found JOIN pg_namespace AS place ON place.oid = found.relnamespace
WHERE place.nspname = 'ledger' AND found.relname = 'checkpoints'

-- name: head_for_update
SELECT deployment, size, frontier FROM ledger.head FOR UPDATE

-- name: last_note
SELECT note FROM ledger.checkpoints ORDER BY size DESC LIMIT 1

-- name: notes
SELECT note FROM ledger.checkpoints ORDER BY size

-- name: note_after
SELECT size, note FROM ledger.checkpoints WHERE size > %(size)s ORDER BY size LIMIT 1

-- name: keep_note
INSERT INTO ledger.checkpoints (size, note) VALUES (%(size)s, %(note)s) ON CONFLICT DO NOTHING

-- name: signed
SELECT max(size) FROM ledger.checkpoints

-- name: covered
-- The log's size, the newest checkpoint's size and age, and for how long the first event behind it
-- has been recorded. One statement, so all of it is of one moment.
SELECT head.size, last.size,
    extract(epoch FROM clock_timestamp() - last.signed_at)::float8,
    extract(epoch FROM clock_timestamp() - next.recorded_at)::float8
FROM ledger.head AS head
LEFT JOIN LATERAL (
    SELECT size, signed_at FROM ledger.checkpoints ORDER BY size DESC LIMIT 1
) AS last ON true
LEFT JOIN ledger.events AS next ON next.position = coalesce(last.size, 0) + 1

-- name: ended
SELECT deployment FROM ledger.restorations

-- name: end_log
INSERT INTO ledger.restorations (deployment, note) VALUES (%(deployment)s, %(note)s)

-- name: put_away
WITH old AS (DELETE FROM ledger.checkpoints RETURNING size, note, signed_at)
INSERT INTO ledger.former_checkpoints (deployment, size, note, signed_at)
SELECT %(deployment)s, size, note, signed_at FROM old

-- name: rename_log
UPDATE ledger.head SET deployment = %(deployment)s
