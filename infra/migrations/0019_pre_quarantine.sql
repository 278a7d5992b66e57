-- What is set aside leaves nobody behind, is found again by the names in it, and can be tried again.

-- `own`: the keys (by their streams in vault.keys) that this row alone is sealed under; they go when
-- it goes. `names` and `others`: keyed hashes, made as on vault.suppressed, of the names of people
-- nobody knows: of the customer, and of others in the event. An erasure finds the row by them.
ALTER TABLE ops.quarantine
    ADD COLUMN own    uuid[]  NOT NULL DEFAULT '{}',
    ADD COLUMN names  bytea[] NOT NULL DEFAULT '{}',
    ADD COLUMN others bytea[] NOT NULL DEFAULT '{}';
UPDATE ops.quarantine SET own = ARRAY[stream] WHERE person IS NOT NULL;
CREATE INDEX quarantine_names ON ops.quarantine USING gin (names);
CREATE INDEX quarantine_others ON ops.quarantine USING gin (others);

-- What was merely ahead of its time is looked for every few seconds.
CREATE INDEX quarantine_due ON ops.quarantine (occurred_at) WHERE reason = 'time-ahead';

COMMENT ON COLUMN ops.quarantine.reason IS 'A fixed word for a program to read: time-ahead, suppressed; or why the event was refused when it was tried again: event-id-reused, invalid-event, key-gone, fault.';
