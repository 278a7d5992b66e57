-- name: take
SELECT p.id, p.stream, p.type, p.occurred_at, p.data
FROM outbox.proposals p
WHERE p.recorded_at IS NULL
  AND p.id <> ALL(%(later)s)
  AND NOT EXISTS (SELECT FROM ops.refused_proposals r WHERE r.id = p.id)
ORDER BY p.created_at, p.id
LIMIT %(limit)s

-- name: settle
UPDATE outbox.proposals SET recorded_at = now() WHERE id = ANY(%(ids)s)

-- name: withdraw
-- About a customer erased since it was proposed: nothing more is concluded about them.
DELETE FROM outbox.proposals p USING vault.fences f WHERE p.id = %(id)s AND f.stream = p.stream

-- name: refuse
INSERT INTO ops.refused_proposals (id, reason) VALUES (%(id)s, %(reason)s) ON CONFLICT DO NOTHING
