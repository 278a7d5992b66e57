-- A request about a name that nobody had: whether the name has become a customer's is looked up when
-- the work is done, so the hash by which customers are looked up stands here while the work goes on.
ALTER TABLE ops.privacy_requests
    ADD COLUMN lookup bytea CHECK (octet_length(lookup) = 32),
    ADD CHECK (done_at IS NULL OR lookup IS NULL);
COMMENT ON COLUMN ops.privacy_requests.lookup IS
    'As in vault.identifiers; while the request is about a name that no customer had.';

-- Requests of a later time that only erasures.ndjson knew when an older database was restored: what
-- their lines say was done again here.
CREATE TABLE ops.privacy_done_again (
    request uuid        PRIMARY KEY,
    done_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
