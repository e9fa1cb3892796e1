-- Extended statistics: what is gathered, not what was found.
SELECT s.oid AS schema, 'statistics' AS kind,
    quote_ident(x.stxname) AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'on=' || x.stxrelid::regclass::text,
        'kinds=' || (SELECT string_agg(k::text, ', ' ORDER BY k::text COLLATE "C") FROM unnest(x.stxkind) AS k),
        'columns=' || (
            SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
            FROM pg_attribute AS a WHERE a.attrelid = x.stxrelid AND a.attnum = ANY (x.stxkeys::int2[])),
        'expressions=' || array_to_string(pg_get_statisticsobjdef_expressions(x.oid), ', '), -- since 14
        'target=' || nullif(x.stxstattarget, -1),
        'owner=' || quote_ident(pg_get_userbyid(x.stxowner))
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_statistic_ext AS x ON x.stxnamespace = s.oid
LEFT JOIN pg_description AS d ON d.objoid = x.oid AND d.classoid = 'pg_statistic_ext'::regclass AND d.objsubid = 0
WHERE {own:pg_statistic_ext:x.oid} AND NOT (x.stxrelid = ANY ({left_out}))
