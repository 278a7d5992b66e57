-- What an erasure leaves behind stays: its fence and its certificate.

-- A fence may be down within a transaction, for the erasure's own last event, and is up at its end.
CREATE FUNCTION vault.refuse_open_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM vault.fences AS fence WHERE fence.stream = OLD.stream) THEN
        RAISE EXCEPTION 'A fence is never taken away: the stream of an erased customer takes no events.'
            USING ERRCODE = 'RPT01',
                HINT = 'Whoever comes back gets a stream of their own: release their name.';
    END IF;
    RETURN NULL;
END;
$$;

CREATE CONSTRAINT TRIGGER never_left_open AFTER UPDATE OR DELETE ON vault.fences
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION vault.refuse_open_fence();

CREATE FUNCTION ops.refuse_other_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A privacy request that is done is not changed any more, nor is its certificate.'
        USING ERRCODE = 'RPT01', HINT = 'Ask again; the new request gets a certificate of its own.';
END;
$$;

CREATE TRIGGER never_changed_when_done BEFORE UPDATE ON ops.privacy_requests
    FOR EACH ROW WHEN (OLD.done_at IS NOT NULL) EXECUTE FUNCTION ops.refuse_other_certificate();
