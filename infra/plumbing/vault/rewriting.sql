-- name: now
-- And whether we are the owner: VACUUM passes over another's table with no more than a warning.
SELECT clock_timestamp(), bool_and(pg_has_role(current_user, relowner, 'USAGE'))
FROM pg_class
WHERE oid IN ('vault.keys'::regclass, 'vault.identifiers'::regclass, 'ops.quarantine'::regclass)

-- name: wait_briefly
-- Whoever writes waits behind us while we wait.
SET lock_timeout = '1s'

-- name: keys
VACUUM (FULL, VERBOSE) vault.keys

-- name: identifiers
VACUUM (FULL, VERBOSE) vault.identifiers

-- name: quarantine
VACUUM (FULL, VERBOSE) ops.quarantine

-- name: checkpoint
CHECKPOINT
