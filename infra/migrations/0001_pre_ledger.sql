-- The ledger (what happened, in order, provable) and the vault (whom it was about, erasable).
-- Byte formats: infra/plumbing/ledger/format.py.

CREATE SCHEMA ledger;
CREATE SCHEMA vault;

-- One row. Every append locks it, so positions are dense and in commit order.
CREATE TABLE ledger.head (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    deployment  uuid        NOT NULL DEFAULT gen_random_uuid(),
    size        bigint      NOT NULL DEFAULT 0 CHECK (size >= 0),
    frontier    bytea       NOT NULL DEFAULT ''
        CHECK (octet_length(frontier) = 32 * bit_count(size::bit(64))),
    recorded_at timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 50);

INSERT INTO ledger.head DEFAULT VALUES;

CREATE TABLE ledger.events (
    position    bigint      PRIMARY KEY CHECK (position > 0),
    version     bigint      NOT NULL CHECK (version >= 0),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    sent_at     timestamptz,
    stream      uuid        NOT NULL,
    -- The first 16 bytes of SHA-256(len source, source, len event_id, event_id): a narrow unique key.
    event_key   uuid        NOT NULL,
    source      text        NOT NULL,
    event_id    text        NOT NULL,
    type        text        NOT NULL,
    schema      text        NOT NULL,
    key_id      text        NOT NULL,
    body_digest bytea       NOT NULL CHECK (octet_length(body_digest) = 32),
    leaf        bytea       NOT NULL CHECK (octet_length(leaf) = 32),
    content_mac bytea       CHECK (octet_length(content_mac) = 32),
    body        bytea,
    CONSTRAINT events_stream_version UNIQUE (stream, version),
    CONSTRAINT events_source_event_id UNIQUE (event_key)
);

COMMENT ON COLUMN ledger.events.occurred_at IS 'When it happened, as the emitter says.';
COMMENT ON COLUMN ledger.events.recorded_at IS 'When it was recorded: this database''s clock under the head lock.';
COMMENT ON COLUMN ledger.events.sent_at IS 'When the emitter sent it, where it says so.';

-- A customer's key, wrapped by the master key. Destroying the row makes the personal values of that
-- customer unreadable everywhere.
CREATE TABLE vault.keys (
    key_id     text        PRIMARY KEY,
    stream     uuid        NOT NULL UNIQUE,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Outside identifiers, found by keyed hash; the value itself is sealed under the customer's key.
CREATE TABLE vault.identifiers (
    lookup     bytea       PRIMARY KEY CHECK (octet_length(lookup) = 32),
    stream     uuid        NOT NULL,
    kind       text        NOT NULL,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX identifiers_stream ON vault.identifiers (stream);

-- Streams that take no more events. Read by every append under the head lock.
CREATE TABLE vault.fences (
    stream uuid        PRIMARY KEY,
    since  timestamptz NOT NULL DEFAULT now()
);

-- Which master key this database was sealed with, as a fingerprint: a wrong key file is told at start.
CREATE TABLE vault.master (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    fingerprint bytea   NOT NULL CHECK (octet_length(fingerprint) = 32)
);
