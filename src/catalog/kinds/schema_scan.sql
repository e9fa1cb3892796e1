-- Which of the wanted schemas are there, and what one has to know before their things are asked for. `shadowed`: not all of
-- its things can be named without it. `weight`: how many things lock others while they are rendered.
WITH s AS MATERIALIZED (
    SELECT n.oid, n.nspname FROM unnest({names}) AS wanted (name) JOIN pg_namespace AS n ON n.nspname = wanted.name
), left_out AS MATERIALIZED (
    SELECT c.oid FROM unnest({left_out_schemas}, {left_out_tables}) AS wanted (schema, name)
    JOIN pg_namespace AS n ON n.nspname = wanted.schema
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name
), shadowed AS MATERIALIZED (
    SELECT own.relnamespace AS schema FROM pg_class AS own JOIN pg_class AS system
        ON system.relname = own.relname AND system.relnamespace = 'pg_catalog'::regnamespace
    UNION
    SELECT own.typnamespace FROM pg_type AS own JOIN pg_type AS system
        ON system.typname = own.typname AND system.typnamespace = 'pg_catalog'::regnamespace
    UNION
    SELECT own.pronamespace FROM pg_proc AS own JOIN pg_proc AS system
        ON system.proname = own.proname AND system.pronamespace = 'pg_catalog'::regnamespace
    UNION
    SELECT own.oprnamespace FROM pg_operator AS own JOIN pg_operator AS system
        ON system.oprname = own.oprname AND system.oprleft = own.oprleft AND system.oprright = own.oprright
        AND system.oprnamespace = 'pg_catalog'::regnamespace
    UNION
    SELECT own.collnamespace FROM pg_collation AS own JOIN pg_collation AS system
        ON system.collname = own.collname AND system.collnamespace = 'pg_catalog'::regnamespace
    UNION
    SELECT own.opcnamespace FROM pg_opclass AS own JOIN pg_opclass AS system
        ON system.opcname = own.opcname AND system.opcmethod = own.opcmethod AND system.opcnamespace = 'pg_catalog'::regnamespace
    UNION
    SELECT own.cfgnamespace FROM pg_ts_config AS own JOIN pg_ts_config AS system
        ON system.cfgname = own.cfgname AND system.cfgnamespace = 'pg_catalog'::regnamespace
    UNION
    SELECT own.dictnamespace FROM pg_ts_dict AS own JOIN pg_ts_dict AS system
        ON system.dictname = own.dictname AND system.dictnamespace = 'pg_catalog'::regnamespace
), weights AS MATERIALIZED (
    SELECT schema, count(*) AS weight FROM (
        SELECT c.relnamespace AS schema FROM pg_rewrite AS w JOIN pg_class AS c ON c.oid = w.ev_class
        UNION ALL SELECT p.pronamespace FROM pg_proc AS p WHERE p.prosqlbody IS NOT NULL -- since 14
    ) AS locking GROUP BY schema
)
SELECT s.nspname::text AS name, s.oid::text AS oid,
    s.oid IN (SELECT schema FROM shadowed) OR NOT has_schema_privilege(s.oid, 'USAGE') AS shadowed,
    coalesce(w.weight, 0)::int8 AS weight
FROM s LEFT JOIN weights AS w ON w.schema = s.oid
UNION ALL
SELECT NULL, everything.oid::text, NULL, NULL FROM (
    SELECT oid FROM left_out
    UNION SELECT x.indexrelid FROM pg_index AS x WHERE x.indrelid IN (SELECT oid FROM left_out)
    UNION SELECT d.objid FROM pg_depend AS d
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM left_out)
        AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
) AS everything
