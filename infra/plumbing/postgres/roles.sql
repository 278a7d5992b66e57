-- The roles of the database server, to be run once by its superuser; running it again changes nothing.
-- The embedded server runs it at each start. On a server of your own see "Your own PostgreSQL" in
-- docs/operator.md. What each role may do in a database is in grants.sql.

DO $$
BEGIN
    IF to_regrole('rapport_app') IS NULL THEN
        CREATE ROLE rapport_app NOLOGIN;
    END IF;
    IF to_regrole('rapport_vault') IS NULL THEN
        CREATE ROLE rapport_vault NOLOGIN;
    END IF;
    IF to_regrole('rapport_signer') IS NULL THEN
        CREATE ROLE rapport_signer NOLOGIN;
    END IF;
    IF to_regrole('rapport_auditor') IS NULL THEN
        CREATE ROLE rapport_auditor NOLOGIN;
    END IF;
    -- Who works with keys and identifiers does all that the application does, and never the other way
    -- round, as it was in an older release.
    IF pg_has_role('rapport_app', 'rapport_vault', 'MEMBER') THEN
        REVOKE rapport_vault FROM rapport_app;
    END IF;
    IF NOT pg_has_role('rapport_vault', 'rapport_app', 'MEMBER') THEN
        GRANT rapport_app TO rapport_vault;
    END IF;
END;
$$;
