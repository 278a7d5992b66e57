-- name: find
SELECT lookup, stream FROM vault.identifiers WHERE lookup = ANY(%(lookups)s)

-- name: keys
SELECT stream, key_id, wrapped FROM vault.keys WHERE stream = ANY(%(streams)s)

-- name: add_keys
INSERT INTO vault.keys (key_id, stream, wrapped)
SELECT * FROM unnest(%(key_ids)s::text[], %(streams)s::uuid[], %(wrapped)s::bytea[])

-- name: add_identifiers
INSERT INTO vault.identifiers (lookup, stream, kind, sealed)
SELECT * FROM unnest(%(lookups)s::bytea[], %(streams)s::uuid[], %(kinds)s::text[], %(sealed)s::bytea[])
ON CONFLICT (lookup) DO NOTHING
RETURNING lookup

-- name: known_customer
SELECT stream FROM vault.keys WHERE stream = %(stream)s

-- name: identifiers_of
SELECT i.stream, i.kind, i.lookup, i.sealed FROM vault.identifiers i
WHERE i.stream = ANY(%(streams)s) ORDER BY i.stream, i.created_at, i.lookup

-- name: fingerprint
SELECT fingerprint FROM vault.master

-- name: set_fingerprint
INSERT INTO vault.master (fingerprint) VALUES (%(fingerprint)s) ON CONFLICT DO NOTHING
