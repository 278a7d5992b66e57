-- The rows of the log become narrower: a number stands for the stream, and nothing for the key id where
-- it is the stream's first (decision 0052). Whoever reads sees ledger.events as before: a view.

-- Nobody appends meanwhile, not even a program of before that still runs.
LOCK TABLE ledger.head, ledger.events IN ACCESS EXCLUSIVE MODE;

-- Each stream that ever had an event. Written with its first one, under the head lock.
CREATE TABLE ledger.streams (
    number integer PRIMARY KEY CHECK (number > 0),
    stream uuid    NOT NULL UNIQUE
);
INSERT INTO ledger.streams (number, stream)
SELECT row_number() OVER (ORDER BY min(position)), stream FROM ledger.events GROUP BY stream;

ALTER TABLE ledger.head ADD COLUMN streams integer NOT NULL DEFAULT 0 CHECK (streams >= 0);
UPDATE ledger.head SET streams = (SELECT count(*) FROM ledger.streams);

-- What is read most stands first, so that little is skipped on the way to it. No foreign key to the
-- streams: asking it for each row would cost more than all else.
CREATE TABLE ledger.rows (
    position      bigint      PRIMARY KEY,
    occurred_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    -- The first 16 bytes of SHA-256(len source, source, len event_id, event_id): a narrow unique key.
    event_key     uuid        NOT NULL,
    stream_number integer     NOT NULL,
    version       integer     NOT NULL,
    type          text        NOT NULL,
    body          bytea,
    leaf          bytea       NOT NULL,
    content_mac   bytea,
    source        text        NOT NULL,
    event_id      text        NOT NULL,
    schema        text        NOT NULL,
    key_id        text,
    sent_at       timestamptz,
    body_digest   bytea
);
INSERT INTO ledger.rows
SELECT position, occurred_at, recorded_at, event_key, number, version, type, body, leaf, content_mac,
    source, event_id, schema, nullif(key_id, stream || '/1'), sent_at, body_digest
FROM ledger.events JOIN ledger.streams USING (stream) ORDER BY position;
DO $$
BEGIN
    IF (SELECT count(*) FROM ledger.rows) <> (SELECT count(*) FROM ledger.events) THEN
        RAISE EXCEPTION 'Not every event was taken over, so nothing was changed.';
    END IF;
END;
$$;
DROP TABLE ledger.events;

ALTER TABLE ledger.rows
    ADD CONSTRAINT rows_stream_version UNIQUE (stream_number, version),
    ADD CONSTRAINT rows_source_event_id UNIQUE (event_key),
    ADD CONSTRAINT rows_form CHECK (
        position > 0 AND version >= 0 AND octet_length(leaf) = 32
        AND (content_mac IS NULL OR octet_length(content_mac) = 32)
        AND (body_digest IS NULL OR octet_length(body_digest) = 32)
    );

COMMENT ON TABLE ledger.rows IS 'How ledger.events is stored.';
COMMENT ON COLUMN ledger.rows.occurred_at IS 'When it happened, as the emitter says.';
COMMENT ON COLUMN ledger.rows.recorded_at IS 'When it was recorded: this database''s clock under the head lock.';
COMMENT ON COLUMN ledger.rows.sent_at IS 'When the emitter sent it, where it says so.';
COMMENT ON COLUMN ledger.rows.key_id IS 'Empty where it is the stream''s first key, <stream>/1.';
COMMENT ON COLUMN ledger.rows.body_digest IS 'The SHA-256 of a body that was dropped; else it is sha256(body).';

-- An outer join: who asks for no stream does not look for it.
CREATE VIEW ledger.events AS
SELECT event.position, streams.stream, event.version, event.source, event.event_id, event.type,
    event.schema, event.occurred_at, event.recorded_at, event.sent_at,
    coalesce(event.key_id, streams.stream || '/1') AS key_id, event.event_key, event.body,
    event.body_digest, event.leaf, event.content_mac
FROM ledger.rows AS event LEFT JOIN ledger.streams ON streams.number = event.stream_number;
COMMENT ON VIEW ledger.events IS 'The log: one row an event, as the ledger format says.';

-- As before, on the tables below.
CREATE OR REPLACE FUNCTION ledger.refuse_unrecorded_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed ledger.rows := OLD;
    taken   text;
BEGIN
    IF NEW.body IS NULL AND OLD.body IS NOT NULL THEN
        taken := 'body';
        allowed.body := NULL;
        allowed.body_digest := sha256(OLD.body);
    ELSE
        taken := 'content_mac';
        allowed.content_mac := NULL;
    END IF;
    IF NEW IS NOT DISTINCT FROM allowed AND EXISTS (
        SELECT FROM ledger.removals AS removal
        WHERE removal.made_in = pg_current_xact_id()
            AND removal.made_at = transaction_timestamp()
            AND removal.what = taken
            AND removal.stream = (
                SELECT stream FROM ledger.streams WHERE number = OLD.stream_number
            )
            AND OLD.position = ANY (removal.positions)
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The ledger is only appended to: UPDATE of ledger.rows is refused.'
        USING ERRCODE = 'RPT01',
            HINT = 'Only ledger.drop_bodies and ledger.forget_content_macs take anything away, and '
                'they write down what.';
END;
$$;

CREATE TRIGGER only_recorded_removals BEFORE UPDATE ON ledger.rows
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_unrecorded_update();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON ledger.rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.streams
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER never_changed INSTEAD OF INSERT OR UPDATE OR DELETE ON ledger.events
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.rows ENABLE ALWAYS TRIGGER only_recorded_removals;
ALTER TABLE ledger.rows ENABLE ALWAYS TRIGGER never_deleted;
ALTER TABLE ledger.streams ENABLE ALWAYS TRIGGER never_changed;

CREATE OR REPLACE FUNCTION ledger.drop_bodies(
    in_types text[], in_schemas text[], happened_before timestamptz[],
    above bigint, up_to bigint, because text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen bigint[];
BEGIN
    LOCK TABLE ledger.removals IN SHARE ROW EXCLUSIVE MODE;
    SELECT array_agg(event.position) INTO chosen
    FROM ledger.events AS event
    JOIN unnest(in_types, in_schemas, happened_before) AS past (type, schema, before)
        ON event.type = past.type AND event.schema = past.schema
            AND event.occurred_at < past.before
    WHERE event.position > above AND event.position <= up_to AND event.body IS NOT NULL;

    INSERT INTO ledger.removals (what, stream, positions, reason)
    SELECT 'body', event.stream, array_agg(event.position ORDER BY event.position), because
    FROM ledger.events AS event WHERE event.position = ANY (chosen)
    GROUP BY event.stream ORDER BY min(event.position);

    UPDATE ledger.rows SET body = NULL, body_digest = sha256(body) WHERE position = ANY (chosen);
    RETURN coalesce(cardinality(chosen), 0);
END;
$$;

CREATE OR REPLACE FUNCTION ledger.forget_content_macs(erased uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM vault.fences AS fence WHERE fence.stream = erased)
        OR EXISTS (SELECT FROM vault.keys AS key WHERE key.stream = erased) THEN
        RAISE EXCEPTION 'Only an erased customer''s content_mac is taken away.'
            USING ERRCODE = 'RPT01', HINT = 'Fence the stream and destroy its key first.';
    END IF;
    LOCK TABLE ledger.removals IN SHARE ROW EXCLUSIVE MODE;
    SELECT array_agg(event.position ORDER BY event.position) INTO chosen
    FROM ledger.events AS event WHERE event.stream = erased AND event.content_mac IS NOT NULL;
    IF chosen IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO ledger.removals (what, stream, positions, reason)
    VALUES ('content_mac', erased, chosen, 'erasure');
    UPDATE ledger.rows SET content_mac = NULL WHERE position = ANY (chosen);
    RETURN cardinality(chosen);
END;
$$;

-- An append's last row moves the head. It is none of the log's: its position is the new size, negated,
-- its body the new frontier, its leaf the 16 bytes of each new stream, of which the first has the number
-- `stream_number`. So rows, streams, head and COMMIT travel together (decision 0049).
--
-- A table with such a trigger has each row of a COPY stored as it comes, not a thousand at a time: the
-- server stores while the next rows are still being made.
DROP FUNCTION ledger.move_head(bigint, bytea, bigint);
CREATE FUNCTION ledger.move_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.streams (number, stream)
    SELECT NEW.stream_number + at, encode(substr(NEW.leaf, 16 * at + 1, 16), 'hex')::uuid
    FROM generate_series(0, octet_length(NEW.leaf) / 16 - 1) AS at;
    UPDATE ledger.head
    SET size = -NEW.position, frontier = NEW.body, recorded_at = NEW.recorded_at,
        streams = NEW.stream_number - 1 + octet_length(NEW.leaf) / 16;
    PERFORM pg_notify('rapport_ledger', '');
    RETURN NULL;
END;
$$;
CREATE TRIGGER head_row BEFORE INSERT ON ledger.rows
    FOR EACH ROW WHEN (NEW.position < 0) EXECUTE FUNCTION ledger.move_head();
ALTER TABLE ledger.rows ENABLE ALWAYS TRIGGER head_row;

CREATE OR REPLACE FUNCTION ledger.append_one(
    of_stream uuid, key uuid, expected bigint, named bytea, key_id_field bytea,
    occurred timestamptz, occurred_us bigint, sent timestamptz, of_source text, of_id text,
    of_type text, of_schema text, of_key_id text, digest bytea, mac bytea, of_body bytea,
    written bigint,
    OUT answer text, OUT in_stream uuid, OUT at_version bigint, OUT at_position bigint,
    OUT at_leaf bytea, OUT known_mac bytea, OUT known_digest bytea
) LANGUAGE plpgsql AS $$
DECLARE
    head record;
    previous bytea := decode(repeat('00', 32), 'hex');
    in_number integer;
    streams_known integer;
    last_version bigint;
    edge bytea;
    node bytea;
    rest bigint;
BEGIN
    PERFORM FROM ledger.head FOR UPDATE;  -- the clock is read when the lock is held
    SELECT size, frontier, streams, greatest(recorded_at, clock_timestamp()) AS recorded INTO head
    FROM ledger.head;
    IF head.size < written THEN answer := 'went back'; at_position := head.size; RETURN; END IF;

    SELECT 'known', stream, version, position, leaf, content_mac,
        coalesce(body_digest, sha256(body))
    INTO answer, in_stream, at_version, at_position, at_leaf, known_mac, known_digest
    FROM ledger.events WHERE event_key = key AND stream IS NOT NULL;
    IF FOUND THEN RETURN; END IF;

    in_stream := of_stream;
    PERFORM FROM vault.fences WHERE stream = of_stream;
    IF FOUND THEN answer := 'fenced'; RETURN; END IF;

    SELECT known.number, last.version, last.leaf INTO in_number, last_version, previous
    FROM ledger.streams AS known
    LEFT JOIN LATERAL (
        SELECT event.version, event.leaf FROM ledger.rows AS event
        WHERE event.stream_number = known.number ORDER BY event.version DESC LIMIT 1
    ) AS last ON true
    WHERE known.stream = of_stream;
    IF last_version IS NULL THEN
        previous := decode(repeat('00', 32), 'hex');
        at_version := CASE expected WHEN -1 THEN 0 ELSE 1 END;
    ELSE
        at_version := last_version + 1;
    END IF;
    IF expected IS DISTINCT FROM NULL AND expected <> coalesce(last_version, least(expected, 0)) THEN
        answer := 'version';
        at_version := last_version;
        RETURN;
    END IF;

    at_position := head.size + 1;
    at_leaf := sha256(
        decode('0001', 'hex') || uuid_send(of_stream) || int8send(at_version) || previous || named
        || int8send(occurred_us)
        || int8send((extract(epoch FROM head.recorded) * 1000000)::bigint)
        || key_id_field || digest
    );
    node := at_leaf;
    edge := head.frontier;
    rest := head.size;
    WHILE rest % 2 = 1 LOOP
        node := sha256(decode('01', 'hex') || substr(edge, octet_length(edge) - 31) || node);
        edge := substr(edge, 1, octet_length(edge) - 32);
        rest := rest / 2;
    END LOOP;

    IF in_number IS NULL THEN
        streams_known := head.streams + 1;
        in_number := streams_known;
        INSERT INTO ledger.streams (number, stream) VALUES (in_number, of_stream);
    END IF;
    INSERT INTO ledger.rows (
        position, version, occurred_at, recorded_at, sent_at, stream_number, event_key, source,
        event_id, type, schema, key_id, leaf, content_mac, body
    ) VALUES (
        at_position, at_version, occurred, head.recorded, sent, in_number, key, of_source,
        of_id, of_type, of_schema, nullif(of_key_id, of_stream || '/1'), at_leaf, mac, of_body
    );
    UPDATE ledger.head SET size = at_position, frontier = edge || node,
        recorded_at = head.recorded,
        streams = greatest(streams, streams_known);
    PERFORM pg_notify('rapport_ledger', '');
    answer := 'stored';
END;
$$;

-- As before; `ends` tells the stream's number (4 bytes) behind the stream, and version -1 where it has
-- a number and no event. `streams_known`: how many there are; the next new one's number is one more.
DROP FUNCTION ledger.take_head(uuid[], uuid[]);
CREATE FUNCTION ledger.take_head(
    streams uuid[], keys uuid[],
    OUT size bigint, OUT frontier bytea, OUT recorded_us bigint, OUT newest_fence bigint,
    OUT streams_known integer,
    OUT fenced bytea, OUT ends bytea, OUT known bytea
) LANGUAGE plpgsql AS $$
BEGIN
    -- By itself: a clock in the same statement is read before the lock is waited for.
    PERFORM FROM ledger.head FOR UPDATE;

    SELECT head.size, head.frontier,
        (extract(epoch FROM greatest(head.recorded_at, clock_timestamp())) * 1000000)::bigint,
        head.streams
    INTO size, frontier, recorded_us, streams_known
    FROM ledger.head AS head;

    SELECT coalesce(max(fence.number), 0) INTO newest_fence FROM vault.fences AS fence;

    IF cardinality(streams) > 0 THEN
        SELECT string_agg(uuid_send(fence.stream), '') INTO fenced
        FROM vault.fences AS fence WHERE fence.stream = ANY (streams);

        SELECT string_agg(
            uuid_send(asked.stream) || int4send(known.number) || int8send(coalesce(last.version, -1))
                || coalesce(last.leaf, decode(repeat('00', 32), 'hex')),
            ''
        ) INTO ends
        FROM unnest(streams) AS asked (stream)
        JOIN ledger.streams AS known ON known.stream = asked.stream
        LEFT JOIN LATERAL (
            SELECT event.version, event.leaf FROM ledger.rows AS event
            WHERE event.stream_number = known.number ORDER BY event.version DESC LIMIT 1
        ) AS last ON true
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

ANALYZE ledger.rows, ledger.streams;
