-- Roles that production has before the first migration runs, and that grants in migrations refer to.
-- `mig-ci verify` runs this once on its server, as the administrator.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reporting') THEN
        CREATE ROLE reporting NOLOGIN;
    END IF;
END;
$$;
