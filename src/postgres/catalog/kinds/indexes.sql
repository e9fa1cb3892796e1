-- Indexes, those behind constraints too: a constraint doesn't tell that its index is invalid.
SELECT r.schema, 'index' AS kind,
    quote_ident(r.relname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'definition=' || coalesce(pg_get_indexdef(r.oid, 0, true), {gone:r.oid}),
        CASE WHEN NOT x.indisvalid THEN 'valid=no' END,
        CASE WHEN NOT x.indisready THEN 'ready=no' END,
        CASE WHEN NOT x.indislive THEN 'live=no' END,
        CASE WHEN x.indisreplident THEN 'replica identity=yes' END,
        CASE WHEN x.indisclustered THEN 'clustered=yes' END,
        CASE WHEN r.reltablespace <> 0 THEN 'tablespace=' || (
            SELECT quote_ident(t.spcname) FROM pg_tablespace AS t WHERE t.oid = r.reltablespace) END,
        CASE WHEN r.relispartition THEN 'part of=' || (
            SELECT i.inhparent::regclass::text FROM pg_inherits AS i WHERE i.inhrelid = r.oid) END,
        CASE WHEN x.indexprs IS NOT NULL THEN 'statistics targets=' || (
            SELECT string_agg(a.attnum || ': ' || a.attstattarget, ', ' ORDER BY a.attnum)
            FROM pg_attribute AS a WHERE a.attrelid = r.oid AND a.attstattarget >= 0) END
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
JOIN pg_index AS x ON x.indexrelid = r.oid
LEFT JOIN pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE r.relkind IN ('i', 'I')
