-- Sequences, as they were made: not where they stand.
SELECT r.schema, 'sequence' AS kind,
    quote_ident(r.relname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'type=' || format_type(q.seqtypid, NULL),
        'start=' || q.seqstart,
        'increment=' || q.seqincrement,
        'minimum=' || q.seqmin,
        'maximum=' || q.seqmax,
        'cache=' || q.seqcache,
        CASE WHEN q.seqcycle THEN 'cycle=yes' END,
        CASE r.relpersistence WHEN 'u' THEN 'unlogged=yes' END,
        -- Subqueries, each of one table, so that they go by the index: both are large, and a join here would not.
        'owned by=' || (
            SELECT o.refobjid::regclass::text || '.' || (
                SELECT quote_ident(a.attname) FROM pg_attribute AS a
                WHERE a.attrelid = o.refobjid AND a.attnum = o.refobjsubid)
            FROM pg_depend AS o
            WHERE o.classid = 'pg_class'::regclass AND o.objid = r.oid AND o.objsubid = 0
                AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i') AND o.refobjsubid > 0),
        'owner=' || quote_ident(pg_get_userbyid(r.relowner)),
        'grants=' || {grants:r.relacl:s:r.relowner}
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
JOIN pg_sequence AS q ON q.seqrelid = r.oid
LEFT JOIN pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE r.relkind = 'S'
