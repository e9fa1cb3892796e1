-- Columns of whatever has some. A default names no columns, and PostgreSQL need not open its relation to render it. Their position counts those that are left: a dropped one leaves a gap in attnum for ever.
SELECT a.schema, 'column' AS kind,
    quote_ident(a.relname) || '.' || quote_ident(a.attname) AS name,
    CASE WHEN {at:a} THEN concat_ws({sep},
        'position=' || a.position,
        'type=' || format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'collation=' || a.attcollation::regcollation::text END,
        CASE WHEN a.attnotnull THEN 'not null=yes' END,
        CASE WHEN a.atthasdef THEN
            CASE a.attgenerated WHEN 's' THEN 'generated, stored=' WHEN 'v' THEN 'generated, virtual=' ELSE 'default=' END
            || coalesce(pg_get_expr(f.adbin, CASE WHEN a.attgenerated <> '' THEN f.adrelid ELSE 0 END), {gone:a.attrelid}) END,
        'identity=' || CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
        CASE WHEN a.attinhcount > 0
            THEN 'inherited=' || CASE WHEN a.attislocal THEN 'and declared here' ELSE 'yes' END END,
        CASE WHEN a.attstorage <> t.typstorage THEN 'storage=' ||
            CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END,
        'compression=' || CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END, -- since 14
        'statistics target=' || nullif(a.attstattarget, -1),
        'options=' || {list:a.attoptions},
        'foreign options=' || {list:a.attfdwoptions},
        'grants=' || {list:a.attacl}
    ) END AS code,
    'comment=' || d.description AS raw
FROM a
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
LEFT JOIN pg_description AS d ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
