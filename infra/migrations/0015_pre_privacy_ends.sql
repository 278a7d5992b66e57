-- A person who was released while some of what was withheld about them could not be recorded. Their
-- hashes stay until nothing is left, so that an erasure finds the rest; they withhold nothing more.
ALTER TABLE vault.suppressed ADD COLUMN released boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN vault.suppressed.released IS 'Recorded again; kept while withheld events of theirs are left.';

-- Whether a person is still to be withheld is asked for each event that is.
CREATE INDEX keys_suppressed ON vault.keys (suppressed) WHERE suppressed IS NOT NULL;

-- Where the events stand that a step appended, for the certificate that is made at the end.
ALTER TABLE ops.privacy_steps ADD COLUMN positions bigint[] NOT NULL DEFAULT '{}';
