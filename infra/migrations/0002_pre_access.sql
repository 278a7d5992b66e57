-- Who may come in (keys, one-time login tokens, browser sessions) and what had to wait outside
-- (quarantine). Secrets are stored as SHA-256 only.

CREATE SCHEMA access;
CREATE SCHEMA IF NOT EXISTS ops;

CREATE TABLE access.keys (
    id         text        PRIMARY KEY,
    role       text        NOT NULL,
    source     text        CHECK (source <> ''),
    digest     bytea       NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

COMMENT ON COLUMN access.keys.source IS 'The only event source this key may write for; null: any.';
COMMENT ON COLUMN access.keys.digest IS 'SHA-256 of the whole key; the key itself is shown once and not kept.';

-- Redeeming a token deletes its row: it works once.
CREATE TABLE access.login_tokens (
    digest     bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    role       text        NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE access.sessions (
    id         text        PRIMARY KEY,
    role       text        NOT NULL,
    digest     bytea       NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- Events that are well formed but not to be believed yet. `body` is sealed exactly as the ledger
-- would have stored it, so erasing a customer's key reaches here too.
CREATE TABLE ops.quarantine (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text        NOT NULL,
    event_id    text        NOT NULL,
    type        text        NOT NULL,
    schema      text        NOT NULL,
    stream      uuid        NOT NULL,
    key_id      text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    reason      text        NOT NULL,
    content_mac bytea       NOT NULL CHECK (octet_length(content_mac) = 32),
    body        bytea       NOT NULL,
    UNIQUE (source, event_id, content_mac)
);
CREATE INDEX quarantine_stream ON ops.quarantine (stream);

COMMENT ON COLUMN ops.quarantine.reason IS 'A fixed word for a program to read: time-ahead.';

-- Proposals (outbox.proposals) that the command service will never record, and why.
CREATE TABLE ops.refused_proposals (
    id         text        PRIMARY KEY,
    reason     text        NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now()
);
