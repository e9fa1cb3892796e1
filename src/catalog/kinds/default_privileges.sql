-- What new objects will be granted: a role's, in this schema.
SELECT s.oid AS schema, 'default privileges' AS kind,
    quote_ident(pg_get_userbyid(a.defaclrole)) || ' on ' || CASE a.defaclobjtype
        WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
        ELSE a.defaclobjtype::text END AS name,
    'grants=' || {list:a.defaclacl} AS code,
    NULL::text AS raw
FROM s
JOIN pg_default_acl AS a ON a.defaclnamespace = s.oid
