-- Tables and foreign tables. Partitions and children are tables that say so.
SELECT r.schema,
    CASE r.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
    quote_ident(r.relname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        CASE r.relpersistence WHEN 'u' THEN 'unlogged=yes' WHEN 't' THEN 'temporary=yes' END,
        CASE WHEN r.relkind = 'p' THEN 'partition key=' || coalesce(pg_get_partkeydef(r.oid), {gone:r.oid}) END,
        CASE WHEN r.relpartbound IS NOT NULL
            THEN 'partition bound=' || coalesce(pg_get_expr(r.relpartbound, r.oid), {gone:r.oid}) END,
        CASE WHEN h.inhrelid IS NOT NULL THEN 'inherits=' || (
            SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
            FROM pg_inherits AS i WHERE i.inhrelid = r.oid) END,
        CASE WHEN r.relispartition AND (SELECT bool_or(i.inhdetachpending) FROM pg_inherits AS i WHERE i.inhrelid = r.oid) THEN 'detach pending=yes' END, -- since 14
        CASE WHEN r.reloftype <> 0 THEN 'of type=' || r.reloftype::regtype::text END,
        CASE WHEN r.relrowsecurity THEN 'row level security=enabled' END,
        CASE WHEN r.relforcerowsecurity THEN 'row level security on the owner=forced' END,
        'options=' || {list:r.reloptions},
        'toast options=' || {list:t.reloptions},
        'replica identity=' || CASE r.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' WHEN 'i' THEN 'index' END,
        CASE WHEN r.reltablespace <> 0 THEN 'tablespace=' || (
            SELECT quote_ident(t.spcname) FROM pg_tablespace AS t WHERE t.oid = r.reltablespace) END,
        'access method=' || quote_ident(m.amname),
        'server=' || quote_ident(v.srvname),
        'server options=' || {list:f.ftoptions},
        'owner=' || quote_ident(pg_get_userbyid(r.relowner)),
        'grants=' || {grants:r.relacl:r:r.relowner}
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
LEFT JOIN (SELECT DISTINCT inhrelid FROM pg_inherits) AS h ON h.inhrelid = r.oid
LEFT JOIN (SELECT oid, reloptions FROM pg_class WHERE relkind = 't' AND reloptions IS NOT NULL) AS t ON t.oid = r.reltoastrelid
LEFT JOIN pg_am AS m ON m.oid = r.relam
LEFT JOIN pg_foreign_table AS f ON f.ftrelid = r.oid
LEFT JOIN pg_foreign_server AS v ON v.oid = f.ftserver
LEFT JOIN pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE r.relkind IN ('r', 'p', 'f')
