-- The ledger defends itself: what is recorded is neither changed nor deleted, by whomever. Two things
-- may be taken away, each by a procedure that writes down what it took: an event's body when its
-- retention is over, and the content_mac of an erased customer's events. Leaf and digest stay, so
-- proofs still verify. Who may do what: infra/plumbing/postgres/grants.sql.

-- One row per removal and customer. Written before anything is taken, in the same transaction.
CREATE TABLE ledger.removals (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what      text        NOT NULL CHECK (what IN ('body', 'content_mac')),
    stream    uuid        NOT NULL,
    positions bigint[]    NOT NULL CHECK (cardinality(positions) > 0),
    reason    text        NOT NULL CHECK (reason <> ''),
    made_by   text        NOT NULL DEFAULT session_user,
    made_at   timestamptz NOT NULL DEFAULT transaction_timestamp(),
    made_in   xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX removals_of_stream ON ledger.removals (stream, made_in);
CREATE INDEX removals_of_bodies ON ledger.removals (id) WHERE what = 'body';

COMMENT ON TABLE ledger.removals IS 'What was taken out of ledger.events, by whom, when and why.';
COMMENT ON COLUMN ledger.removals.made_by IS 'The database user who logged in.';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The ledger is only appended to: % of %.% is refused.',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'RPT01',
            HINT = 'Bodies past their retention are dropped by `rapport retention apply`, personal '
                'values are made unreadable by an erasure. Nothing else is ever taken away.';
END;
$$;

-- An update passes only if it does nothing but empty what a removal of this transaction names.
CREATE FUNCTION ledger.refuse_unrecorded_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed ledger.events := OLD;
    taken   text;
BEGIN
    IF NEW.body IS NULL AND OLD.body IS NOT NULL THEN
        taken := 'body';
        allowed.body := NULL;
    ELSE
        taken := 'content_mac';
        allowed.content_mac := NULL;
    END IF;
    IF NEW IS NOT DISTINCT FROM allowed AND EXISTS (
        SELECT FROM ledger.removals AS removal
        WHERE removal.made_in = pg_current_xact_id()
            AND removal.made_at = transaction_timestamp()
            AND removal.what = taken
            AND removal.stream = OLD.stream
            AND OLD.position = ANY (removal.positions)
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The ledger is only appended to: UPDATE of ledger.events is refused.'
        USING ERRCODE = 'RPT01',
            HINT = 'Only ledger.drop_bodies and ledger.forget_content_macs take anything away, and '
                'they write down what.';
END;
$$;

CREATE TRIGGER only_recorded_removals BEFORE UPDATE ON ledger.events
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_unrecorded_update();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON ledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON ledger.head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.removals
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- ALWAYS: also in a session that calls itself a replica.
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER only_recorded_removals;
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER never_deleted;
ALTER TABLE ledger.head ENABLE ALWAYS TRIGGER never_deleted;
ALTER TABLE ledger.removals ENABLE ALWAYS TRIGGER never_changed;

-- Empties the bodies of `in_types`/`in_schemas` (one pair an entry) that happened before that entry's
-- `happened_before`, at positions above `above` up to `up_to`. Answers how many there were. Repeating
-- it finds nothing left to do. One at a time, so that ids of removals are in the order of commits.
CREATE FUNCTION ledger.drop_bodies(
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

    UPDATE ledger.events SET body = NULL WHERE position = ANY (chosen);
    RETURN coalesce(cardinality(chosen), 0);
END;
$$;

-- Empties the content_mac of every event of an erased customer: one whose key is destroyed and whose
-- stream is fenced. Answers how many there were; repeating it finds none.
CREATE FUNCTION ledger.forget_content_macs(erased uuid) RETURNS bigint
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
    UPDATE ledger.events SET content_mac = NULL WHERE position = ANY (chosen);
    RETURN cardinality(chosen);
END;
$$;

REVOKE ALL ON FUNCTION ledger.drop_bodies FROM PUBLIC;
REVOKE ALL ON FUNCTION ledger.forget_content_macs FROM PUBLIC;

-- Through which removal the read models have folded anew the customers who lost a body.
CREATE TABLE ops.refolded (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    removal  bigint  NOT NULL DEFAULT 0
);
INSERT INTO ops.refolded DEFAULT VALUES;

-- What grants.sql was last applied: its digest with the roles and migrations of that moment.
CREATE TABLE ops.grants (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    digest   bytea   NOT NULL CHECK (octet_length(digest) = 32)
);
