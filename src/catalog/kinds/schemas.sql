-- The schema itself; its name is nobody's property.
SELECT s.oid AS schema, 'schema' AS kind, ''::text AS name,
    concat_ws({sep},
        'owner=' || quote_ident(pg_get_userbyid(s.nspowner)),
        'grants=' || {grants:s.nspacl:n:s.nspowner}
    ) AS code,
    'comment=' || d.description AS raw
FROM s
LEFT JOIN pg_description AS d ON d.objoid = s.oid AND d.classoid = 'pg_namespace'::regclass AND d.objsubid = 0
