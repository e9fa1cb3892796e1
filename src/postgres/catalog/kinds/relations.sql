-- Tables and foreign tables. Partitions and children are tables that say so.
SELECT r.schema,
    CASE r.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
    quote_ident(r.relname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        CASE r.relpersistence WHEN 'u' THEN 'unlogged=yes' WHEN 't' THEN 'temporary=yes' END,
        CASE WHEN r.relkind = 'p' THEN 'partition key=' || coalesce(pg_get_partkeydef(r.oid), {gone:r.oid}) END,
        CASE WHEN r.relpartbound IS NOT NULL
            THEN 'partition bound=' || coalesce(pg_get_expr(r.relpartbound, r.oid), {gone:r.oid}) END,
        'inherits=' || (
            SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
            FROM pg_inherits AS i WHERE i.inhrelid = r.oid),
        CASE WHEN (SELECT bool_or(i.inhdetachpending) FROM pg_inherits AS i WHERE i.inhrelid = r.oid) THEN 'detach pending=yes' END, -- since 14
        CASE WHEN r.reloftype <> 0 THEN 'of type=' || r.reloftype::regtype::text END,
        CASE WHEN r.relrowsecurity THEN 'row level security=enabled' END,
        CASE WHEN r.relforcerowsecurity THEN 'row level security on the owner=forced' END,
        'options=' || {list:r.reloptions},
        'toast options=' || (SELECT {list:t.reloptions} FROM pg_class AS t WHERE t.oid = r.reltoastrelid),
        'replica identity=' || CASE r.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' WHEN 'i' THEN 'index' END,
        CASE WHEN r.reltablespace <> 0 THEN 'tablespace=' || (
            SELECT quote_ident(t.spcname) FROM pg_tablespace AS t WHERE t.oid = r.reltablespace) END,
        'access method=' || (SELECT quote_ident(m.amname) FROM pg_am AS m WHERE m.oid = r.relam),
        'server=' || (
            SELECT quote_ident(v.srvname) FROM pg_foreign_table AS f JOIN pg_foreign_server AS v ON v.oid = f.ftserver
            WHERE f.ftrelid = r.oid),
        'server options=' || (SELECT {list:f.ftoptions} FROM pg_foreign_table AS f WHERE f.ftrelid = r.oid),
        'owner=' || quote_ident(pg_get_userbyid(r.relowner)),
        'grants=' || {grants:r.relacl:r:r.relowner}
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
LEFT JOIN pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE r.relkind IN ('r', 'p', 'f')
