-- Policies of row level security.
SELECT r.schema, 'policy' AS kind,
    quote_ident(r.relname) || '.' || quote_ident(p.polname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'kind=' || CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
        'for=' || CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
        'to=' || (
            SELECT string_agg(role, ', ' ORDER BY role COLLATE "C") FROM (
                SELECT CASE WHEN o.oid = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o.oid)) END AS role
                FROM unnest(p.polroles) AS o (oid)) AS roles),
        CASE WHEN p.polqual IS NOT NULL THEN 'using=' || coalesce(pg_get_expr(p.polqual, r.oid), {gone:r.oid}) END,
        CASE WHEN p.polwithcheck IS NOT NULL
            THEN 'with check=' || coalesce(pg_get_expr(p.polwithcheck, r.oid), {gone:r.oid}) END
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
JOIN pg_policy AS p ON p.polrelid = r.oid
LEFT JOIN pg_description AS d ON d.objoid = p.oid AND d.classoid = 'pg_policy'::regclass AND d.objsubid = 0
