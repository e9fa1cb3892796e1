-- What each tenant's schema holds, but the ledgers: how many items, and a hash of them. No name of a schema is in it, so that
-- tenants can be compared.
WITH schemas AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname LIKE 'tenant\_%'
), relations AS (
    SELECT c.*, s.nspname FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
    LEFT JOIN pg_class t ON t.oid = i.indrelid
    WHERE coalesce(t.relname, c.relname) NOT IN ('_sqlx_migrations', 'schema_migrations', 'alembic_version')
), items AS (
    SELECT nspname, format('relation %s %s %s', relname, relkind, relpersistence) AS item FROM relations
    UNION ALL
    SELECT r.nspname, format('column %s.%s %s %s %s %s %s', r.relname, a.attname, t.typname, a.atttypmod, a.attnotnull,
        a.atthasdef, a.attnum)
    FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'v')
    UNION ALL
    SELECT r.nspname, format('constraint %s.%s %s %s %s %s', r.relname, c.conname, c.contype, c.convalidated, c.conkey, f.relname)
    FROM pg_constraint c JOIN relations r ON r.oid = c.conrelid LEFT JOIN pg_class f ON f.oid = c.confrelid
    UNION ALL
    SELECT r.nspname, format('index %s %s %s %s', r.relname, i.indisvalid, i.indisunique, i.indkey)
    FROM pg_index i JOIN relations r ON r.oid = i.indexrelid
    UNION ALL
    SELECT r.nspname, format('trigger %s.%s', r.relname, t.tgname)
    FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT s.nspname, format('function %s %s', p.proname, md5(p.prosrc))
    FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
    UNION ALL
    SELECT s.nspname, format('label %s.%s %s', t.typname, e.enumlabel, e.enumsortorder)
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN schemas s ON s.oid = t.typnamespace
)
SELECT nspname::text, count(*), md5(string_agg(item, E'\n' ORDER BY item COLLATE "C")) FROM items GROUP BY 1
