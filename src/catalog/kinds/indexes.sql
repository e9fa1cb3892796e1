-- Indexes, those behind constraints too: a constraint doesn't tell that its index is invalid.
-- PostgreSQL looks each operator class of an index up by itself to render it, which takes longer than all else together. An
-- index of nothing but columns, in their own order and collation, by operator classes of its own, is put together here. (Only
-- other access methods than these have operator classes with parameters.)
SELECT r.schema, 'index' AS kind,
    quote_ident(r.relname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'definition=' || CASE
            WHEN k.simple THEN concat(
                'CREATE ', CASE WHEN x.indisunique THEN 'UNIQUE ' END, 'INDEX ', quote_ident(r.relname), ' ON ',
                CASE WHEN r.relkind = 'I' THEN 'ONLY ' END, quote_ident(k.relname), ' USING ', k.amname, ' (', k.keys, ')',
                ' INCLUDE (' || k.included || ')',
                CASE WHEN x.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' END, -- since 15
                ' WITH (' || {list:r.reloptions} || ')')
            ELSE coalesce(pg_get_indexdef(r.oid, 0, true), {gone:r.oid}) END,
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
LEFT JOIN (
    SELECT k.indexrelid, min(a.relname) AS relname, min(m.amname) AS amname,
        -- An expression, or a column of the system's own, is none of the relation's columns.
        count(a.attnum) = max(k.natts) AND bool_and(
            k.at > k.nkeys OR (o.opcnamespace = 'pg_catalog'::regnamespace AND k.coll = a.attcollation)) AS simple,
        string_agg(CASE WHEN k.at <= k.nkeys THEN concat(
            quote_ident(a.attname),
            CASE WHEN NOT (o.opcdefault AND o.opcintype = a.atttypid) THEN ' ' || quote_ident(o.opcname) END,
            CASE k.sorted WHEN 1 THEN ' DESC NULLS LAST' WHEN 2 THEN ' NULLS FIRST' WHEN 3 THEN ' DESC' END
        ) END, ', ' ORDER BY k.at) AS keys,
        string_agg(CASE WHEN k.at > k.nkeys THEN quote_ident(a.attname) END, ', ' ORDER BY k.at) AS included
    FROM (
        SELECT r.oid AS indexrelid, r.relam, x.indrelid, x.indnatts AS natts, x.indnkeyatts AS nkeys, k.*
        FROM r JOIN pg_index AS x ON x.indexrelid = r.oid
        CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indclass::oid[], x.indcollation::oid[], x.indoption::int2[])
            WITH ORDINALITY AS k (attnum, class, coll, sorted, at)
        WHERE x.indexprs IS NULL AND x.indpred IS NULL
    ) AS k
    JOIN pg_am AS m ON m.oid = k.relam AND m.amname IN ('btree', 'hash')
    LEFT JOIN a ON a.attrelid = k.indrelid AND a.attnum = k.attnum
    LEFT JOIN pg_opclass AS o ON o.oid = k.class
    GROUP BY k.indexrelid
) AS k ON k.indexrelid = r.oid
LEFT JOIN pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE r.relkind IN ('i', 'I')
