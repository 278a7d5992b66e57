-- What the projections remember about their own work. The tables of the read models themselves are
-- made by the worker from each folder's table.sql: `read.<name>_v<version>`, with a view `read.<name>`
-- over the active version, so that a rebuild can fill the next version beside it and swap.

CREATE SCHEMA read;
CREATE SCHEMA outbox;

-- How far each table (`<name>_v<version>`) has folded the ledger. Moves in the transaction that writes
-- the rows.
CREATE TABLE read.checkpoints (
    name     text        PRIMARY KEY,
    position bigint      NOT NULL CHECK (position >= 0),
    moved_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION read.refuse_step_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.position < OLD.position THEN
        RAISE EXCEPTION 'checkpoint % may not move back from % to %', OLD.name, OLD.position, NEW.position
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER never_back BEFORE UPDATE ON read.checkpoints
    FOR EACH ROW EXECUTE FUNCTION read.refuse_step_back();

-- Which version of each read model answers questions.
CREATE TABLE read.versions (
    name       text        PRIMARY KEY,
    active     integer     NOT NULL CHECK (active > 0),
    swapped_at timestamptz NOT NULL DEFAULT now()
);

-- How far the answers of each read model are.
CREATE VIEW read.progress AS
    SELECT versions.name, checkpoints.position
    FROM read.versions JOIN read.checkpoints
        ON checkpoints.name = versions.name || '_v' || versions.active;

-- When silence alone will next matter for a customer. Kept equal to the folded state by the worker;
-- `proposed_at` is set once the timer has fired, and cleared when its due time changes.
CREATE TABLE read.timers (
    model       text        NOT NULL,
    stream      uuid        NOT NULL,
    kind        text        NOT NULL,
    due_at      timestamptz NOT NULL,
    proposed_at timestamptz,
    PRIMARY KEY (model, stream, kind)
) WITH (fillfactor = 80);
CREATE INDEX timers_due ON read.timers (due_at) WHERE proposed_at IS NULL;

-- Events the projections ask the command service to record. The id is the event's id, so asking
-- twice is asking once.
CREATE TABLE outbox.proposals (
    id          text        PRIMARY KEY,
    stream      uuid        NOT NULL,
    type        text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    data        bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    recorded_at timestamptz
);
CREATE INDEX proposals_waiting ON outbox.proposals (created_at, id) WHERE recorded_at IS NULL;
