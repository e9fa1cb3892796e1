-- Views and materialized views. Whether one of these has been refreshed is its data's business.
-- pg_get_viewdef locks what the view reads until the transaction ends: see `Batch`.
SELECT r.schema,
    CASE r.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS kind,
    quote_ident(r.relname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'definition=' || coalesce(pg_get_viewdef(r.oid), {gone:r.oid}),
        'options=' || {list:r.reloptions},
        CASE WHEN r.reltablespace <> 0 THEN 'tablespace=' || (
            SELECT quote_ident(t.spcname) FROM pg_tablespace AS t WHERE t.oid = r.reltablespace) END,
        'access method=' || (SELECT quote_ident(m.amname) FROM pg_am AS m WHERE m.oid = r.relam),
        'owner=' || quote_ident(pg_get_userbyid(r.relowner)),
        'grants=' || {grants:r.relacl:r:r.relowner}
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
LEFT JOIN pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE r.relkind IN ('v', 'm')
