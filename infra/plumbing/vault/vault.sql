-- name: find
SELECT lookup, stream FROM vault.identifiers WHERE lookup = ANY(%(lookups)s)

-- name: changes
SELECT changes FROM vault.master

-- name: hold_list
-- Shared among writers; an erasure and a suppression take it alone. Until this transaction ends
-- nobody is put on the list, and no key is destroyed.
SELECT pg_advisory_xact_lock_shared(hashtextextended('rapport vault: list', 0))

-- name: listed
SELECT hash, person FROM vault.suppressed WHERE hash = ANY(%(hashes)s) AND NOT released

-- name: keys
SELECT stream, key_id, wrapped, suppressed FROM vault.keys WHERE stream = ANY(%(streams)s)

-- name: add_keys
INSERT INTO vault.keys (key_id, stream, wrapped)
SELECT * FROM unnest(%(key_ids)s::text[], %(streams)s::uuid[], %(wrapped)s::bytea[])

-- name: add_identifiers
INSERT INTO vault.identifiers (lookup, stream, kind, sealed)
SELECT * FROM unnest(%(lookups)s::bytea[], %(streams)s::uuid[], %(kinds)s::text[], %(sealed)s::bytea[])
ON CONFLICT (lookup) DO NOTHING
RETURNING lookup

-- name: known_customer
-- An erased customer has no key any more, and a fence for ever.
SELECT stream FROM vault.keys WHERE stream = %(stream)s
UNION
SELECT stream FROM vault.fences WHERE stream = %(stream)s

-- name: identifiers_of
SELECT i.stream, i.kind, i.lookup, i.sealed FROM vault.identifiers i
WHERE i.stream = ANY(%(streams)s)
    AND i.created_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
ORDER BY i.stream, i.created_at, i.lookup

-- name: fingerprint
SELECT fingerprint FROM vault.master

-- name: set_fingerprint
INSERT INTO vault.master (fingerprint) VALUES (%(fingerprint)s) ON CONFLICT DO NOTHING
