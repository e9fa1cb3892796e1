-- For each tenant one hash of what PostgreSQL says of its things. It reads less of each than mig-ci does, tells nothing of
-- what differs, and takes names as they are.
WITH s AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname LIKE 'tenant\_%'
), r AS (
    SELECT c.*, s.nspname FROM pg_class AS c JOIN s ON s.oid = c.relnamespace
    WHERE c.relkind <> 't' AND c.relname NOT IN ('_sqlx_migrations', 'schema_migrations', 'alembic_version')
), i AS (
    SELECT r.relnamespace, concat('relation ', relname, relkind, relacl, relowner) AS item FROM r
    UNION ALL
    SELECT r.relnamespace, concat('column ', relname, '.', attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
    FROM r JOIN pg_attribute AS a ON a.attrelid = r.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef AS f ON f.adrelid = r.oid AND f.adnum = a.attnum
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT r.relnamespace, concat('constraint ', relname, conname, pg_get_constraintdef(k.oid)) FROM r JOIN pg_constraint AS k ON k.conrelid = r.oid
    UNION ALL
    SELECT r.relnamespace, concat('index ', relname, replace(pg_get_indexdef(x.indexrelid), r.nspname, ''), indisvalid)
    FROM r JOIN pg_index AS x ON x.indexrelid = r.oid
    UNION ALL
    SELECT r.relnamespace, concat('trigger ', relname, tgname, replace(pg_get_triggerdef(g.oid), r.nspname, ''))
    FROM r JOIN pg_trigger AS g ON g.tgrelid = r.oid AND NOT tgisinternal
    UNION ALL
    SELECT p.pronamespace, concat('function ', proname, prosrc) FROM s JOIN pg_proc AS p ON p.pronamespace = s.oid
    UNION ALL
    SELECT r.relnamespace, concat('view ', relname, replace(pg_get_viewdef(r.oid), r.nspname, '')) FROM r WHERE relkind = 'v'
    UNION ALL
    SELECT s.oid, concat('type ', typname, typtype) FROM s JOIN pg_type AS t ON t.typnamespace = s.oid
    UNION ALL
    SELECT s.oid, concat('label ', typname, enumlabel, enumsortorder)
    FROM s JOIN pg_type AS t ON t.typnamespace = s.oid JOIN pg_enum AS e ON e.enumtypid = t.oid
    UNION ALL
    SELECT r.relnamespace, concat('sequence ', relname, seqstart, seqincrement) FROM r JOIN pg_sequence AS q ON q.seqrelid = r.oid
)
SELECT md5(string_agg(replace(item, nspname, ''), '|' ORDER BY item)) FROM i JOIN s ON s.oid = i.relnamespace GROUP BY i.relnamespace
