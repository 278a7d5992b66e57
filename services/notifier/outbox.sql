-- name: start
INSERT INTO notifier.checkpoints (name) VALUES (%(name)s) ON CONFLICT (name) DO NOTHING

-- name: position
SELECT position FROM notifier.checkpoints WHERE name = %(name)s

-- name: lock_checkpoint
SELECT position, first_started_at FROM notifier.checkpoints WHERE name = %(name)s FOR UPDATE

-- name: move_checkpoint
UPDATE notifier.checkpoints SET position = %(position)s
WHERE name = %(name)s AND position < %(position)s

-- name: add_alert
INSERT INTO notifier.alerts
    (alert_id, rule, policy_version, topic, stream, position, occurred_at, recorded_at, line, body)
VALUES (%(alert_id)s, %(rule)s, %(policy_version)s, %(topic)s, %(stream)s, %(position)s,
    %(occurred_at)s, %(recorded_at)s, %(line)s, %(body)s)
ON CONFLICT (alert_id) DO NOTHING

-- name: add_delivery
INSERT INTO notifier.deliveries (alert_id, channel) VALUES (%(alert_id)s, %(channel)s)
ON CONFLICT (alert_id, channel) DO NOTHING

-- name: withhold_delivery
INSERT INTO notifier.deliveries (alert_id, channel, status, last_error, ended_at)
VALUES (%(alert_id)s, %(channel)s, 'withheld', %(reason)s, now())
ON CONFLICT (alert_id, channel) DO NOTHING

-- name: supersede
UPDATE notifier.deliveries AS d
SET status = 'superseded', last_error = %(reason)s, ended_at = now()
FROM notifier.alerts AS a
WHERE a.stream = %(stream)s AND a.topic = %(topic)s AND a.position < %(position)s
    AND d.alert_id = a.alert_id AND d.status = 'pending'

-- name: note_stumble
INSERT INTO notifier.stumbles (position, rule, reason)
VALUES (%(position)s, %(rule)s, %(reason)s)
ON CONFLICT (position, rule) DO NOTHING

-- name: stumbles
SELECT position, rule FROM notifier.stumbles
WHERE rule = ANY(%(rules)s) AND (position, rule) > (%(position)s::bigint, %(rule)s::text)
ORDER BY position, rule LIMIT %(limit)s

-- name: forget_stumble
DELETE FROM notifier.stumbles WHERE position = %(position)s AND rule = %(rule)s

-- name: claim
WITH due AS (
    SELECT alert_id, channel FROM notifier.deliveries
    WHERE channel = %(channel)s AND status = 'pending' AND next_attempt_at <= now()
        AND attempts < %(attempts)s
        AND NOT EXISTS (
            SELECT FROM notifier.channels WHERE name = %(channel)s AND paused_until > now()
        )
    ORDER BY next_attempt_at, alert_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE notifier.deliveries AS d
SET attempts = d.attempts + 1, next_attempt_at = now() + %(lease)s
FROM due JOIN notifier.alerts AS a USING (alert_id)
WHERE d.alert_id = due.alert_id AND d.channel = due.channel
RETURNING d.alert_id, a.stream, d.attempts, a.line, a.body

-- name: mark_delivered
UPDATE notifier.deliveries SET status = 'delivered', last_error = NULL, ended_at = now()
WHERE alert_id = %(alert_id)s AND channel = %(channel)s AND status <> 'delivered'

-- name: put_back
UPDATE notifier.deliveries SET next_attempt_at = now() + %(wait)s, last_error = %(reason)s
WHERE alert_id = %(alert_id)s AND channel = %(channel)s
    AND status = 'pending' AND attempts = %(attempt)s

-- name: mark_dead
UPDATE notifier.deliveries SET status = 'dead', last_error = %(reason)s, ended_at = now()
WHERE alert_id = %(alert_id)s AND channel = %(channel)s
    AND status = 'pending' AND attempts = %(attempt)s

-- name: bury_unfinished
UPDATE notifier.deliveries
SET status = 'dead', ended_at = now(),
    last_error = 'the last attempt never ended: the program stopped while it was under way'
WHERE channel = %(channel)s AND status = 'pending' AND next_attempt_at <= now()
    AND attempts >= %(attempts)s

-- name: pause
INSERT INTO notifier.channels (name, paused_until) VALUES (%(channel)s, now() + %(wait)s)
ON CONFLICT (name) DO UPDATE
SET paused_until = greatest(notifier.channels.paused_until, excluded.paused_until)
