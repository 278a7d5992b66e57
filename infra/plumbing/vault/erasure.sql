-- name: lock_head
SELECT FROM ledger.head FOR UPDATE

-- name: fence
INSERT INTO vault.fences (stream) VALUES (%(stream)s) ON CONFLICT DO NOTHING

-- name: take_down_fence
DELETE FROM vault.fences WHERE stream = %(stream)s

-- name: take_list
-- Alone: writers hold it shared while they look up and remember (vault.sql, hold_list).
SELECT pg_advisory_xact_lock(hashtextextended('rapport vault: list', 0))

-- name: count_change
-- Under the list's lock, so nobody ever waits for this row. Every program's memory of customers is
-- void once this is committed (memory.py).
UPDATE vault.master SET changes = changes + 1

-- name: destroy_key
DELETE FROM vault.keys WHERE stream = %(stream)s RETURNING suppressed

-- name: remove_identifiers
DELETE FROM vault.identifiers WHERE stream = %(stream)s RETURNING lookup

-- name: lookups
SELECT lookup FROM vault.identifiers WHERE stream = %(stream)s

-- name: list
INSERT INTO vault.suppressed (hash, person)
SELECT hash, %(person)s FROM unnest(%(hashes)s::bytea[]) AS hash
ON CONFLICT (hash) DO UPDATE SET person = excluded.person

-- name: rename
UPDATE vault.suppressed SET person = %(person)s WHERE person = %(before)s

-- name: rename_quarantine
UPDATE ops.quarantine SET person = %(person)s WHERE person = %(before)s

-- name: mark
UPDATE vault.keys SET suppressed = %(person)s WHERE stream = %(stream)s

-- name: person
SELECT person FROM vault.suppressed WHERE hash = %(hash)s

-- name: person_of
SELECT suppressed FROM vault.keys WHERE stream = %(stream)s

-- name: unlist
DELETE FROM vault.suppressed WHERE person = %(person)s

-- name: unmark
UPDATE vault.keys SET suppressed = NULL WHERE suppressed = %(person)s RETURNING stream
