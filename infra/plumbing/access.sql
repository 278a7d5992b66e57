-- name: insert_key
INSERT INTO access.keys (id, role, source, digest)
VALUES (%(id)s, %(role)s, %(source)s, %(digest)s)

-- name: list_keys
SELECT id, role, source, created_at, revoked_at FROM access.keys ORDER BY created_at, id

-- name: revoke_key
UPDATE access.keys SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL

-- name: hold_key
SELECT FROM access.keys WHERE id = %(id)s AND revoked_at IS NULL FOR UPDATE

-- name: revoked_keys
SELECT id FROM access.keys WHERE revoked_at IS NOT NULL

-- name: revoke_keys
UPDATE access.keys SET revoked_at = now() WHERE id = ANY(%(ids)s) AND revoked_at IS NULL

-- name: find_key
SELECT role, digest, source FROM access.keys WHERE id = %(id)s AND revoked_at IS NULL

-- name: find_session
SELECT role, digest, NULL FROM access.sessions WHERE id = %(id)s AND expires_at > now()

-- name: insert_login
WITH swept AS (DELETE FROM access.login_tokens WHERE expires_at <= now())
INSERT INTO access.login_tokens (digest, role, expires_at)
VALUES (%(digest)s, %(role)s, now() + %(life)s)

-- name: redeem
WITH swept AS (
    DELETE FROM access.sessions WHERE expires_at <= now()
), used AS (
    DELETE FROM access.login_tokens WHERE digest = %(token)s RETURNING role, expires_at
)
INSERT INTO access.sessions (id, role, digest, expires_at)
SELECT %(id)s, role, %(digest)s, now() + %(life)s FROM used WHERE expires_at > now()
RETURNING role, expires_at

-- name: end_session
DELETE FROM access.sessions WHERE id = %(id)s AND digest = %(digest)s
