-- Fences get a number, so that an append can ask "any new one?" with one look at an index.
-- A fence is put up under the head lock (see infra/plumbing/ledger/append.py).
ALTER TABLE vault.fences ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY UNIQUE;

-- One event in one round trip: lock, look, place, insert, move the head, tell. The same steps as
-- infra/plumbing/ledger/append.py takes for many; a test holds both to the same bytes.
-- `named` and `key_id_field` are header texts, length-prefixed. `expected` null: any version.
-- `written`: the caller wrote up to there; a ledger that ends before was set back.
CREATE FUNCTION ledger.append_one(
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
    last_version bigint;
    edge bytea;
    node bytea;
    rest bigint;
BEGIN
    SELECT size, frontier, greatest(recorded_at, clock_timestamp()) AS recorded INTO head
    FROM ledger.head FOR UPDATE;
    IF head.size < written THEN answer := 'went back'; at_position := head.size; RETURN; END IF;

    SELECT 'known', stream, version, position, leaf, content_mac, body_digest
    INTO answer, in_stream, at_version, at_position, at_leaf, known_mac, known_digest
    FROM ledger.events WHERE event_key = key;
    IF FOUND THEN RETURN; END IF;

    in_stream := of_stream;
    PERFORM FROM vault.fences WHERE stream = of_stream;
    IF FOUND THEN answer := 'fenced'; RETURN; END IF;

    SELECT version, leaf INTO last_version, previous
    FROM ledger.events WHERE stream = of_stream ORDER BY version DESC LIMIT 1;
    IF NOT FOUND THEN
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
        '\x0001'::bytea || uuid_send(of_stream) || int8send(at_version) || previous || named
        || int8send(occurred_us)
        || int8send((extract(epoch FROM head.recorded) * 1000000)::bigint)
        || key_id_field || digest
    );
    node := at_leaf;
    edge := head.frontier;
    rest := head.size;
    WHILE rest % 2 = 1 LOOP
        node := sha256('\x01'::bytea || substr(edge, octet_length(edge) - 31) || node);
        edge := substr(edge, 1, octet_length(edge) - 32);
        rest := rest / 2;
    END LOOP;

    INSERT INTO ledger.events (
        position, version, occurred_at, recorded_at, sent_at, stream, event_key, source,
        event_id, type, schema, key_id, body_digest, leaf, content_mac, body
    ) VALUES (
        at_position, at_version, occurred, head.recorded, sent, of_stream, key, of_source,
        of_id, of_type, of_schema, of_key_id, digest, at_leaf, mac, of_body
    );
    UPDATE ledger.head SET size = at_position, frontier = edge || node, recorded_at = head.recorded;
    PERFORM pg_notify('rapport_ledger', '');
    answer := 'stored';
END;
$$;
