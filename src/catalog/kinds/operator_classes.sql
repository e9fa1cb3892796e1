-- Operator classes.
SELECT s.oid AS schema, 'operator class' AS kind,
    quote_ident(o.opcname) || ' using ' || quote_ident(m.amname) AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'type=' || format_type(o.opcintype, NULL),
        CASE WHEN o.opcdefault THEN 'default=yes' END,
        'stores=' || format_type(nullif(o.opckeytype, 0), NULL),
        'family=' || (SELECT quote_ident(f.opfname) FROM pg_opfamily AS f WHERE f.oid = o.opcfamily),
        'owner=' || quote_ident(pg_get_userbyid(o.opcowner))
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_opclass AS o ON o.opcnamespace = s.oid
JOIN pg_am AS m ON m.oid = o.opcmethod
LEFT JOIN pg_description AS d ON d.objoid = o.oid AND d.classoid = 'pg_opclass'::regclass AND d.objsubid = 0
WHERE {own:pg_opclass:o.oid}
