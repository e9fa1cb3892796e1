-- Columns of whatever has some. Their position counts those that are left: a dropped one leaves a gap in attnum for ever.
-- By the index on attrelid: the table behind it is the largest of the catalog.
SELECT r.schema, 'column' AS kind,
    quote_ident(r.relname) || '.' || quote_ident(a.attname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'position=' || a.position,
        'type=' || format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'collation=' || a.attcollation::regcollation::text END,
        CASE WHEN a.attnotnull THEN 'not null=yes' END,
        CASE WHEN a.atthasdef THEN
            CASE a.attgenerated WHEN 's' THEN 'generated, stored=' WHEN 'v' THEN 'generated, virtual=' ELSE 'default=' END
            || coalesce(pg_get_expr(f.adbin, f.adrelid), {gone:r.oid}) END,
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
FROM r
CROSS JOIN LATERAL (
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.atthasdef,
        a.attcompression, -- since 14
        a.attgenerated, a.attidentity, a.attinhcount, a.attislocal, a.attstorage, a.attstattarget, a.attoptions,
        a.attfdwoptions, a.attacl, row_number() OVER (ORDER BY a.attnum) AS position
    FROM pg_attribute AS a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    OFFSET 0
) AS a
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
LEFT JOIN pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
WHERE r.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')
