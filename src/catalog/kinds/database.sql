-- What is in no schema: only of interest where the whole database is the tenant's.
SELECT 0::oid AS schema, 'extension' AS kind, quote_ident(e.extname) AS name,
    concat_ws({sep},
        'version=' || e.extversion,
        'schema=' || quote_ident(n.nspname),
        'owner=' || quote_ident(pg_get_userbyid(e.extowner))
    ) AS code,
    NULL::text AS raw
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace AND n.nspname = 'pg_catalog'
UNION ALL
SELECT 0, 'default privileges',
    quote_ident(pg_get_userbyid(a.defaclrole)) || ' on ' || CASE a.defaclobjtype
        WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
        WHEN 'n' THEN 'schemas' ELSE a.defaclobjtype::text END,
    'grants=' || {list:a.defaclacl}, NULL
FROM pg_default_acl AS a WHERE a.defaclnamespace = 0
UNION ALL
SELECT 0, 'event trigger', quote_ident(v.evtname),
    CASE WHEN {at:nowhere} THEN concat_ws({sep},
        'event=' || v.evtevent,
        'function=' || v.evtfoid::regprocedure::text,
        'tags=' || {list:v.evttags},
        'enabled=' || CASE v.evtenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END,
        'owner=' || quote_ident(pg_get_userbyid(v.evtowner))) END, NULL
FROM pg_event_trigger AS v CROSS JOIN (VALUES ('')) AS nowhere (path)
UNION ALL
SELECT 0, 'publication', quote_ident(p.pubname),
    CASE WHEN {at:nowhere} THEN concat_ws({sep},
        CASE WHEN p.puballtables THEN 'all tables=yes' END,
        'publishes=' || concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
        CASE WHEN p.pubviaroot THEN 'via root=yes' END,
        'tables=' || (
            SELECT string_agg(t.prrelid::regclass::text, ', ' ORDER BY t.prrelid::regclass::text COLLATE "C")
            FROM pg_publication_rel AS t WHERE t.prpubid = p.oid),
        'schemas=' || ( -- since 15
            SELECT string_agg(t.pnnspid::regnamespace::text, ', ' ORDER BY t.pnnspid::regnamespace::text COLLATE "C") -- since 15
            FROM pg_publication_namespace AS t WHERE t.pnpubid = p.oid), -- since 15
        'owner=' || quote_ident(pg_get_userbyid(p.pubowner))) END, NULL
FROM pg_publication AS p CROSS JOIN (VALUES ('')) AS nowhere (path)
UNION ALL
SELECT 0, 'foreign server', quote_ident(f.srvname),
    concat_ws({sep},
        'wrapper=' || (SELECT quote_ident(w.fdwname) FROM pg_foreign_data_wrapper AS w WHERE w.oid = f.srvfdw),
        'type=' || f.srvtype,
        'version=' || f.srvversion,
        'options=' || {list:f.srvoptions},
        'owner=' || quote_ident(pg_get_userbyid(f.srvowner)),
        'grants=' || {grants:f.srvacl:S:f.srvowner}), NULL
FROM pg_foreign_server AS f
