-- name: erasure_of
SELECT id FROM ops.privacy_requests WHERE type = 'erase' AND stream = %(stream)s

-- name: ask
INSERT INTO ops.privacy_requests (type, stream, hash, lookup, asked_by)
VALUES (%(type)s, %(stream)s, %(hash)s, %(lookup)s, %(asked_by)s)
ON CONFLICT (stream) WHERE type = 'erase' AND stream IS NOT NULL DO NOTHING
RETURNING id

-- name: restored
SELECT stream, suppressed FROM vault.keys WHERE stream = ANY(%(streams)s::uuid[])

-- name: journaled
-- Each request whose step that writes a line into erasures.ndjson (steps.py) is done in this
-- database, or what that line says was done again here; in the order in which that was done.
SELECT request.id, request.type,
    CASE request.type WHEN 'erase' THEN request.stream END, step.done_at
FROM ops.privacy_steps AS step JOIN ops.privacy_requests AS request ON request.id = step.request
WHERE (request.type, step.step)
        IN (('erase', 'key and identifiers'), ('suppress', 'list'), ('release', 'list'))
    OR (request.type = 'erase' AND request.stream IS NULL AND step.step = 'quarantine')
UNION ALL
SELECT request, 'suppress', NULL, done_at FROM ops.privacy_done_again
ORDER BY 4, 1

-- name: note_done_again
INSERT INTO ops.privacy_done_again (request)
SELECT line.request FROM unnest(%(requests)s::uuid[]) AS line (request)
WHERE NOT EXISTS (SELECT FROM ops.privacy_requests AS known WHERE known.id = line.request)
ON CONFLICT DO NOTHING

-- name: on_the_list
SELECT hash, person FROM vault.suppressed WHERE NOT released

-- name: suppressed
SELECT stream, suppressed FROM vault.keys WHERE suppressed IS NOT NULL

-- name: request
SELECT id, type, stream, hash, lookup, person, asked_at, done_at, certificate
FROM ops.privacy_requests WHERE id = %(id)s

-- name: next
-- Whoever holds the row does its next step; another program takes the next request meanwhile.
SELECT id, type, stream, hash, lookup, person, asked_at, done_at, certificate
FROM ops.privacy_requests
WHERE done_at IS NULL AND id <> ALL(%(passed)s::uuid[])
ORDER BY asked_at, id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: steps
SELECT number, step, counts, done_at, positions FROM ops.privacy_steps
WHERE request = %(id)s ORDER BY number

-- name: step_done
INSERT INTO ops.privacy_steps (request, number, step, counts, positions)
VALUES (%(id)s, %(number)s, %(step)s, %(counts)s::jsonb, %(positions)s::bigint[])

-- name: receipts
SELECT stream, version, position, leaf FROM ledger.events
WHERE position = ANY(%(positions)s::bigint[]) ORDER BY position

-- name: turn_to
-- From here on about the customer who has the name now.
UPDATE ops.privacy_requests SET stream = %(stream)s, hash = NULL, lookup = NULL WHERE id = %(id)s

-- name: note_person
UPDATE ops.privacy_requests SET person = %(person)s WHERE id = %(id)s

-- name: done
UPDATE ops.privacy_requests
SET done_at = clock_timestamp(), certificate = %(certificate)s, hash = NULL, lookup = NULL, person = NULL
WHERE id = %(id)s

-- name: forget_content_macs
SELECT ledger.forget_content_macs(%(stream)s)

-- name: remove_quarantined_of
DELETE FROM ops.quarantine WHERE stream = %(stream)s

-- name: remove_proposals
DELETE FROM outbox.proposals WHERE stream = %(stream)s AND recorded_at IS NULL

-- name: latest
SELECT greatest(%(now)s, max(occurred_at)) FROM ledger.events WHERE stream = %(stream)s

-- name: withheld
SELECT id, stream, body FROM ops.quarantine
WHERE person = %(person)s AND id > %(after)s ORDER BY id LIMIT 1

-- name: due_again
-- Of a customer, or a name nobody has, what was found suppressed when its time came.
UPDATE ops.quarantine SET reason = 'time-ahead'
WHERE person IS NULL AND reason = 'suppressed'
    AND (stream = ANY(%(streams)s::uuid[]) OR names && %(names)s::bytea[])

-- name: stays
UPDATE ops.quarantine SET reason = %(reason)s WHERE id = %(id)s

-- name: waiting
SELECT stream, key_id, reason, occurred_at, received_at, body FROM ops.quarantine
WHERE stream = %(stream)s OR person = ANY(%(persons)s::uuid[]) OR names && %(names)s::bytea[]
ORDER BY id

-- name: mentions
-- Reads the whole log: values about this person in other customers' events stand in no index.
SELECT position FROM ledger.events
WHERE stream IS DISTINCT FROM %(stream)s AND position(%(key)s::bytea IN body) > 0
ORDER BY position
