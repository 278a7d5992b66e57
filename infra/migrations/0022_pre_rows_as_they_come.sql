-- An append's last row moves the head. It is none of the log's: its position is the new size, negated,
-- and its body the new frontier. So rows, head and COMMIT travel together (decision 0049).
--
-- A table with such a trigger has each row of a COPY stored as it comes, not a thousand at a time: the
-- server stores while the next rows are still being made.
CREATE FUNCTION ledger.move_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger.head
    SET size = -NEW.position, frontier = NEW.body, recorded_at = NEW.recorded_at;
    PERFORM pg_notify('rapport_ledger', '');
    RETURN NULL;
END;
$$;
CREATE TRIGGER head_row BEFORE INSERT ON ledger.events
    FOR EACH ROW WHEN (NEW.position < 0) EXECUTE FUNCTION ledger.move_head();
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER head_row;

DROP FUNCTION ledger.move_head(bigint, bytea, bigint);
