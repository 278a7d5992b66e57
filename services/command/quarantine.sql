-- name: set_aside
INSERT INTO ops.quarantine (
    source, event_id, type, schema, stream, key_id, occurred_at, content_mac, body, person, reason
)
SELECT *, %(reason)s FROM unnest(
    %(sources)s::text[], %(event_ids)s::text[], %(types)s::text[], %(schemas)s::text[],
    %(streams)s::uuid[], %(key_ids)s::text[], %(times)s::timestamptz[], %(macs)s::bytea[],
    %(bodies)s::bytea[], %(persons)s::uuid[])
ON CONFLICT (source, event_id, content_mac) DO NOTHING
RETURNING stream
