-- What an append of several events asks and says, each in one statement of its own, so that the whole
-- takes two turns on the wire (infra/plumbing/ledger/append.py): lock and look; store, move, commit.

-- Locks the head and tells what the next events stand on. Each statement in here sees what is
-- committed once the lock is held; the clock is read then, and recorded_at never decreases.
-- `ends`: where each of `streams` ends that is neither new nor fenced: stream (16 bytes), version (8),
-- leaf (32). `fenced`: those of `streams` that take no more, 16 bytes each. `known`: which of `keys`
-- are there: key (16), stream (16), version (8), position (8), leaf (32), digest (32), whether there
-- is a content_mac (1), the content_mac or zeros (32).
CREATE FUNCTION ledger.take_head(
    streams uuid[], keys uuid[],
    OUT size bigint, OUT frontier bytea, OUT recorded_us bigint, OUT newest_fence bigint,
    OUT fenced bytea, OUT ends bytea, OUT known bytea
) LANGUAGE plpgsql AS $$
BEGIN
    -- By itself: a clock in the same statement is read before the lock is waited for.
    PERFORM FROM ledger.head FOR UPDATE;

    SELECT head.size, head.frontier,
        (extract(epoch FROM greatest(head.recorded_at, clock_timestamp())) * 1000000)::bigint
    INTO size, frontier, recorded_us
    FROM ledger.head AS head;

    SELECT coalesce(max(fence.number), 0) INTO newest_fence FROM vault.fences AS fence;

    IF cardinality(streams) > 0 THEN
        SELECT string_agg(uuid_send(fence.stream), '') INTO fenced
        FROM vault.fences AS fence WHERE fence.stream = ANY (streams);

        SELECT string_agg(uuid_send(asked.stream) || int8send(last.version) || last.leaf, '')
        INTO ends
        FROM unnest(streams) AS asked (stream)
        CROSS JOIN LATERAL (
            SELECT event.version, event.leaf FROM ledger.events AS event
            WHERE event.stream = asked.stream ORDER BY event.version DESC LIMIT 1
        ) AS last
        WHERE NOT EXISTS (SELECT FROM vault.fences AS fence WHERE fence.stream = asked.stream);
    END IF;

    IF cardinality(keys) > 0 THEN
        SELECT string_agg(
            uuid_send(event.event_key) || uuid_send(event.stream) || int8send(event.version)
                || int8send(event.position) || event.leaf
                || coalesce(event.body_digest, sha256(event.body))
                || boolsend(event.content_mac IS NOT NULL)
                || coalesce(event.content_mac, decode(repeat('00', 32), 'hex')),
            ''
        ) INTO known
        FROM ledger.events AS event WHERE event.event_key = ANY (keys);
    END IF;
END;
$$;

-- Moves the head to where the events just stored end, and tells the readers at the commit.
CREATE FUNCTION ledger.move_head(new_size bigint, new_frontier bytea, recorded_us bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger.head SET size = new_size, frontier = new_frontier,
        recorded_at = timestamptz 'epoch' + recorded_us * interval '1 microsecond';
    PERFORM pg_notify('rapport_ledger', '');
END;
$$;
