-- Collations. Their versions are the machine's.
SELECT s.oid AS schema, 'collation' AS kind,
    quote_ident(c.collname) AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'provider=' || c.collprovider::text,
        'encoding=' || nullif(c.collencoding, -1),
        'collate=' || c.collcollate,
        'ctype=' || c.collctype,
        'locale=' || c.colliculocale, -- since 15 -- before 17
        'locale=' || c.colllocale, -- since 17
        'rules=' || c.collicurules, -- since 16
        CASE WHEN NOT c.collisdeterministic THEN 'deterministic=no' END,
        'owner=' || quote_ident(pg_get_userbyid(c.collowner))
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_collation AS c ON c.collnamespace = s.oid
LEFT JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_collation'::regclass AND d.objsubid = 0
WHERE {own:pg_collation:c.oid}
