-- Access, erasure, suppression and release: what was asked, how far it is, and whom not to record.

-- Keyed hashes of identifiers whose events are set aside: HMAC over the lookup of vault.identifiers
-- under a key of its own. `person` is a random number that tells which hashes belong together and
-- leads nowhere else; no time stands here, since a time would lead to the erasure that wrote it.
CREATE TABLE vault.suppressed (
    hash   bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    person uuid  NOT NULL
);
CREATE INDEX suppressed_person ON vault.suppressed (person);

-- A customer who is suppressed and not erased: the `person` of their hashes.
ALTER TABLE vault.keys ADD COLUMN suppressed uuid;

-- An event withheld because of whom it is about: the `person` whose release brings it back.
ALTER TABLE ops.quarantine ADD COLUMN person uuid;
CREATE INDEX quarantine_person ON ops.quarantine (person) WHERE person IS NOT NULL;
COMMENT ON COLUMN ops.quarantine.reason IS 'A fixed word for a program to read: time-ahead, suppressed.';

-- What was asked for. `hash` and `person` stand here only while the work goes on.
CREATE TABLE ops.privacy_requests (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    type        text        NOT NULL CHECK (type IN ('access', 'erase', 'suppress', 'release')),
    stream      uuid,
    hash        bytea       CHECK (octet_length(hash) = 32),
    person      uuid,
    asked_by    text        NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    done_at     timestamptz,
    certificate bytea,
    CHECK (done_at IS NULL OR (hash IS NULL AND person IS NULL))
);
-- A customer is erased once, however often it is asked for.
CREATE UNIQUE INDEX privacy_erased_once ON ops.privacy_requests (stream)
    WHERE type = 'erase' AND stream IS NOT NULL;
CREATE INDEX privacy_open ON ops.privacy_requests (asked_at) WHERE done_at IS NULL;
COMMENT ON COLUMN ops.privacy_requests.asked_by IS 'Id of the key that asked.';

-- Each step is one transaction, which writes its row here: a killed program goes on behind the last.
CREATE TABLE ops.privacy_steps (
    request uuid        NOT NULL REFERENCES ops.privacy_requests (id),
    number  integer     NOT NULL,
    step    text        NOT NULL,
    counts  jsonb       NOT NULL,
    done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (request, number)
);
