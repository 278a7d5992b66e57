-- Signed checkpoints of this log, so that they can be served. The signer inserts, nobody changes. What
-- guards against a rolled-back database is the signer's own files, not this table: it is rolled back too.

CREATE TABLE ledger.checkpoints (
    size      bigint      PRIMARY KEY CHECK (size >= 0),
    note      text        NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE ledger.checkpoints IS 'C2SP signed notes of the log named in ledger.head; the last is the one of the largest size.';

-- Logs that ended when their database was restored behind a published checkpoint: the signed record of
-- it (it names the old log, the new one and how far they agree), and the checkpoints of the old one.
CREATE TABLE ledger.restorations (
    deployment  uuid        PRIMARY KEY,
    note        text        NOT NULL,
    restored_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN ledger.restorations.deployment IS 'The log that ended.';

CREATE TABLE ledger.former_checkpoints (
    deployment uuid        NOT NULL,
    size       bigint      NOT NULL,
    note       text        NOT NULL,
    signed_at  timestamptz NOT NULL,
    PRIMARY KEY (deployment, size)
);
