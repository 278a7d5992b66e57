-- name: set_aside
-- Several values in one column come as words in hexadecimal. Answers whose keys the new rows need.
INSERT INTO ops.quarantine (
    source, event_id, type, schema, stream, key_id, occurred_at, content_mac, body, person, reason,
    own, names, others
)
SELECT source, event_id, type, schema, stream, key_id, occurred_at, content_mac, body, person, reason,
    string_to_array(own, ' ')::uuid[],
    ARRAY(SELECT decode(word, 'hex') FROM unnest(string_to_array(names, ' ')) AS word),
    ARRAY(SELECT decode(word, 'hex') FROM unnest(string_to_array(others, ' ')) AS word)
FROM unnest(
    %(sources)s::text[], %(event_ids)s::text[], %(types)s::text[], %(schemas)s::text[],
    %(streams)s::uuid[], %(key_ids)s::text[], %(times)s::timestamptz[], %(macs)s::bytea[],
    %(bodies)s::bytea[], %(persons)s::uuid[], %(reasons)s::text[], %(owns)s::text[],
    %(names)s::text[], %(others)s::text[]
) AS aside (
    source, event_id, type, schema, stream, key_id, occurred_at, content_mac, body, person, reason,
    own, names, others
)
ON CONFLICT (source, event_id, content_mac) DO NOTHING
RETURNING own

-- name: list
SELECT id, reason, source, event_id, type, occurred_at, received_at FROM ops.quarantine
WHERE id > %(after)s AND reason = coalesce(%(reason)s::text, reason)
ORDER BY id LIMIT %(limit)s

-- name: one
SELECT id, reason, source, event_id, type, occurred_at, received_at, stream, person, body
FROM ops.quarantine WHERE id = %(id)s

-- name: due
SELECT id FROM ops.quarantine
WHERE reason = 'time-ahead' AND occurred_at <= %(until)s AND id > %(after)s
ORDER BY id LIMIT %(limit)s

-- name: again
-- Without those about people who are still not to be recorded: they wait for a release.
SELECT id FROM ops.quarantine AS waiting
WHERE occurred_at <= %(until)s AND id > %(after)s AND (person IS NULL OR NOT EXISTS (
    SELECT FROM vault.suppressed WHERE person = waiting.person AND NOT released
    UNION ALL
    SELECT FROM vault.keys WHERE suppressed = waiting.person
))
ORDER BY id LIMIT %(limit)s

-- name: stays
UPDATE ops.quarantine SET reason = %(reason)s WHERE id = %(id)s

-- name: recorded
WITH gone AS (
    DELETE FROM ops.quarantine WHERE id = %(id)s RETURNING own
)
DELETE FROM vault.keys USING gone WHERE keys.stream = ANY(gone.own)
