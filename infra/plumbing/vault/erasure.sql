-- name: lock_head
SELECT FROM ledger.head FOR UPDATE

-- name: fence
INSERT INTO vault.fences (stream) VALUES (%(stream)s) ON CONFLICT DO NOTHING

-- name: fenced
SELECT FROM vault.fences WHERE stream = %(stream)s

-- name: take_down_fence
DELETE FROM vault.fences WHERE stream = %(stream)s

-- name: take_list
-- Alone: writers hold it shared while they look up and remember (vault.sql, hold_list).
SELECT pg_advisory_xact_lock(hashtextextended('rapport vault: list', 0))

-- name: count_change
-- Under the list's lock, so nobody ever waits for this row. Every program's memory of customers is
-- void once this is committed (memory.py).
UPDATE vault.master SET changes = changes + 1

-- name: hold_list
SELECT pg_advisory_xact_lock_shared(hashtextextended('rapport vault: list', 0))

-- name: destroy_key
DELETE FROM vault.keys WHERE stream = %(stream)s RETURNING suppressed

-- name: remove_identifiers
DELETE FROM vault.identifiers WHERE stream = %(stream)s RETURNING lookup

-- name: lookups
SELECT lookup FROM vault.identifiers WHERE stream = %(stream)s

-- name: holder
SELECT stream FROM vault.identifiers WHERE lookup = %(lookup)s

-- name: list
INSERT INTO vault.suppressed (hash, person)
SELECT hash, %(person)s FROM unnest(%(hashes)s::bytea[]) AS hash
ON CONFLICT (hash) DO UPDATE SET person = excluded.person, released = false

-- name: rename
UPDATE vault.suppressed SET person = %(person)s
WHERE person = ANY(%(before)s::uuid[]) AND person <> %(person)s

-- name: rename_withheld
UPDATE ops.quarantine SET person = %(person)s
WHERE person = ANY(%(before)s::uuid[]) AND person <> %(person)s

-- name: drop_withheld
WITH gone AS (
    DELETE FROM ops.quarantine WHERE person = ANY(%(persons)s::uuid[]) RETURNING own
), keys AS (
    DELETE FROM vault.keys USING gone WHERE keys.stream = ANY(gone.own)
)
SELECT count(*) FROM gone

-- name: drop_recorded
WITH gone AS (
    DELETE FROM ops.quarantine WHERE id = ANY(%(ids)s::bigint[]) RETURNING own
), keys AS (
    DELETE FROM vault.keys USING gone WHERE keys.stream = ANY(gone.own)
)
SELECT count(*) FROM gone

-- name: drop_named
WITH gone AS (
    DELETE FROM ops.quarantine
    WHERE names && %(hashes)s::bytea[] OR others && %(hashes)s::bytea[] RETURNING own
), keys AS (
    DELETE FROM vault.keys USING gone WHERE keys.stream = ANY(gone.own)
)
SELECT count(*) FROM gone

-- name: waits
SELECT id FROM ops.quarantine
WHERE names && %(hashes)s::bytea[] OR others && %(hashes)s::bytea[] LIMIT 1

-- name: listed_among
SELECT hash FROM vault.suppressed WHERE hash = ANY(%(hashes)s::bytea[]) AND NOT released

-- name: left_over
SELECT count(*) FROM ops.quarantine WHERE person = %(person)s

-- name: mark
UPDATE vault.keys SET suppressed = %(person)s WHERE stream = %(stream)s

-- name: persons
SELECT DISTINCT person FROM vault.suppressed WHERE hash = ANY(%(hashes)s::bytea[])

-- name: person_of
SELECT suppressed FROM vault.keys WHERE stream = %(stream)s AND suppressed IS NOT NULL

-- name: still_listed
SELECT person FROM vault.suppressed WHERE person = ANY(%(persons)s::uuid[]) AND NOT released
UNION
SELECT suppressed FROM vault.keys WHERE suppressed = ANY(%(persons)s::uuid[])

-- name: release
UPDATE vault.suppressed SET released = true WHERE person = %(person)s

-- name: names
SELECT hash FROM vault.suppressed WHERE person = ANY(%(persons)s::uuid[])

-- name: listed_names
SELECT hash FROM vault.suppressed WHERE person = ANY(%(persons)s::uuid[]) AND NOT released

-- name: release_names
UPDATE vault.suppressed SET released = true WHERE hash = ANY(%(hashes)s::bytea[])

-- name: list_again
UPDATE vault.suppressed SET released = false WHERE person = ANY(%(persons)s::uuid[])

-- name: unlist
DELETE FROM vault.suppressed WHERE person = ANY(%(persons)s::uuid[]) AND released

-- name: unmark
UPDATE vault.keys SET suppressed = NULL WHERE suppressed = %(person)s RETURNING stream
