-- The eventsourcing library's view of the ledger: originator = stream, topic = type, state = body.

-- name: exists
SELECT to_regclass('ledger.head') IS NOT NULL AS exists

-- name: stream
-- By the stream's number, so that the rows come out of the index in the order of their versions.
SELECT version, type, body FROM ledger.rows
WHERE stream_number = (SELECT number FROM ledger.streams WHERE stream = %b)
ORDER BY version

-- name: stream_ascending
SELECT version, type, body FROM ledger.rows
WHERE stream_number = (SELECT number FROM ledger.streams WHERE stream = %(stream)s)
    AND version > coalesce(%(gt)s::bigint, -1)
    AND version <= coalesce(%(lte)s::bigint, 9223372036854775807)
ORDER BY version LIMIT %(limit)s

-- name: stream_descending
SELECT version, type, body FROM ledger.rows
WHERE stream_number = (SELECT number FROM ledger.streams WHERE stream = %(stream)s)
    AND version > coalesce(%(gt)s::bigint, -1)
    AND version <= coalesce(%(lte)s::bigint, 9223372036854775807)
ORDER BY version DESC LIMIT %(limit)s

-- name: log
SELECT position, stream, version, type, body FROM ledger.events
WHERE position > %(after)s AND stream IS NOT NULL
    AND position <= coalesce(%(stop)s::bigint, 9223372036854775807)
    AND (%(topics)s::text[] IS NULL OR type = ANY(%(topics)s::text[]))
ORDER BY position LIMIT %(limit)s

-- name: listen
LISTEN rapport_ledger

-- name: end_stopped
-- Writers under our own name, in this database, who hold others up in a COPY that waits for rows.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    AND state = 'active' AND wait_event = 'ClientRead' AND starts_with(query, 'COPY ledger.rows ')
    AND query_start < clock_timestamp() - %b * interval '1 second'
