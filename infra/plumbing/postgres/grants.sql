-- Who may do what in this database. Applied by its owner after the migrations, a block for each role
-- that the server has (roles.sql). A table that stands in no block can be reached by its owner alone.

-- name: rapport_app
GRANT USAGE ON SCHEMA ledger, notifier, ops, outbox, read, vault TO rapport_app;
-- The read models' tables are made and dropped by the projections.
GRANT CREATE ON SCHEMA read TO rapport_app;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON ALL TABLES IN SCHEMA notifier, outbox, read TO rapport_app;
-- An older release made them as the owner of the database.
DO $$
DECLARE
    found text;
BEGIN
    FOR found IN
        SELECT class.relname FROM pg_class AS class
        WHERE class.relnamespace = 'read'::regnamespace AND class.relkind IN ('r', 'p', 'v')
            AND (class.relname ~ '_v[0-9]+$' OR class.relname IN (SELECT name FROM read.versions))
            AND class.relowner <> 'rapport_app'::regrole
    LOOP
        EXECUTE format('ALTER TABLE read.%I OWNER TO rapport_app', found);
    END LOOP;
END;
$$;
-- Of the house's own books what every service needs, and of API keys nothing: whoever makes one
-- opens every door of HTTP. An older release gave it all of them.
REVOKE ALL ON SCHEMA access FROM rapport_app;
REVOKE ALL ON ALL TABLES IN SCHEMA access, ops FROM rapport_app;
GRANT SELECT ON ops.migrations, ops.grants TO rapport_app;
GRANT SELECT, INSERT, UPDATE ON ops.refolded TO rapport_app;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO rapport_app;
REVOKE UPDATE, DELETE, TRUNCATE ON ledger.rows, ledger.streams FROM PUBLIC, rapport_app;
GRANT INSERT ON ledger.rows, ledger.streams, ledger.tiles TO rapport_app;
GRANT UPDATE (size, frontier, recorded_at, streams) ON ledger.head TO rapport_app;
REVOKE EXECUTE ON FUNCTION ledger.forget_content_macs FROM rapport_app;
-- An append looks whether its stream is fenced. Nothing else of the vault is the application's.
GRANT SELECT ON vault.fences TO rapport_app;

-- name: rapport_vault
-- Whoever meets customers by name. It is also a member of rapport_app (roles.sql), so that one
-- transaction may reach both sides.
GRANT USAGE ON SCHEMA access TO rapport_vault;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA access, vault TO rapport_vault;
REVOKE UPDATE ON vault.fences, vault.master FROM rapport_vault;
REVOKE DELETE ON vault.master FROM rapport_vault;
GRANT UPDATE (changes) ON vault.master TO rapport_vault;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.quarantine TO rapport_vault;
GRANT SELECT, INSERT ON ops.refused_proposals, ops.privacy_steps, ops.privacy_done_again
    TO rapport_vault;
GRANT SELECT, INSERT, UPDATE (stream, hash, lookup, person, done_at, certificate)
    ON ops.privacy_requests TO rapport_vault;
GRANT EXECUTE ON FUNCTION ledger.forget_content_macs TO rapport_vault;

-- name: rapport_signer
-- Positions and leaves, no bodies. It adds checkpoints, and nothing else.
GRANT USAGE ON SCHEMA ledger, ops TO rapport_signer;
GRANT SELECT ON ops.migrations, ops.grants, ledger.head, ledger.tiles, ledger.checkpoints,
    ledger.former_checkpoints, ledger.restorations TO rapport_signer;
GRANT INSERT ON ledger.checkpoints TO rapport_signer;
GRANT SELECT (position, stream, version, recorded_at, body_digest, leaf)
    ON ledger.events TO rapport_signer;

-- name: rapport_auditor
-- Everything recorded, personal values still sealed; neither keys nor identifiers.
GRANT USAGE ON SCHEMA ledger, ops TO rapport_auditor;
GRANT SELECT ON ops.migrations, ops.grants TO rapport_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO rapport_auditor;
