-- Extensions that live in the schema. What one of them has made is its own business.
SELECT s.oid AS schema, 'extension' AS kind,
    quote_ident(e.extname) AS name,
    concat_ws({sep},
        'version=' || e.extversion,
        'owner=' || quote_ident(pg_get_userbyid(e.extowner))
    ) AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_extension AS e ON e.extnamespace = s.oid
LEFT JOIN pg_description AS d ON d.objoid = e.oid AND d.classoid = 'pg_extension'::regclass AND d.objsubid = 0
