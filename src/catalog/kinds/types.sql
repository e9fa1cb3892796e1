-- Types that are made on purpose. A table's row type, an array type, a range's multirange come with something else.
SELECT s.oid AS schema,
    CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'type' END AS kind,
    quote_ident(t.typname) AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        CASE t.typtype
            WHEN 'c' THEN 'kind=composite' WHEN 'r' THEN 'kind=range' WHEN 'b' THEN 'kind=base' WHEN 'p' THEN 'kind=shell' END,
        CASE WHEN t.typtype = 'e' THEN 'labels=' || coalesce((
            SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
            FROM pg_enum AS e WHERE e.enumtypid = t.oid), '') END,
        CASE WHEN t.typtype = 'd' THEN concat_ws({sep},
            'type=' || format_type(t.typbasetype, t.typtypmod),
            CASE WHEN t.typcollation <> (SELECT b.typcollation FROM pg_type AS b WHERE b.oid = t.typbasetype)
                THEN 'collation=' || t.typcollation::regcollation::text END,
            CASE WHEN t.typnotnull THEN 'not null=yes' END,
            'default=' || pg_get_expr(t.typdefaultbin, 0)) END,
        CASE WHEN t.typtype = 'r' THEN (
            SELECT concat_ws({sep},
                'subtype=' || format_type(g.rngsubtype, NULL),
                'multirange=' || format_type(g.rngmultitypid, NULL), -- since 14
                'collation=' || nullif(g.rngcollation, 0)::regcollation::text,
                'operator class=' || (SELECT quote_ident(o.opcname) FROM pg_opclass AS o WHERE o.oid = g.rngsubopc),
                'canonical=' || nullif(g.rngcanonical, 0)::regprocedure::text,
                'difference=' || nullif(g.rngsubdiff, 0)::regprocedure::text)
            FROM pg_range AS g WHERE g.rngtypid = t.oid) END,
        CASE WHEN t.typtype = 'b' THEN concat_ws({sep},
            'input=' || t.typinput::regproc::text, 'output=' || t.typoutput::regproc::text,
            'length=' || t.typlen, 'alignment=' || t.typalign::text, 'storage=' || t.typstorage::text) END,
        'owner=' || quote_ident(pg_get_userbyid(t.typowner)),
        'grants=' || {grants:t.typacl:T:t.typowner}
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_type AS t ON t.typnamespace = s.oid
LEFT JOIN pg_class AS c ON c.oid = t.typrelid
LEFT JOIN pg_description AS d ON d.objoid = t.oid AND d.classoid = 'pg_type'::regclass AND d.objsubid = 0
WHERE (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c' OR (t.typtype = 'p' AND NOT t.typisdefined)
        OR (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)))
    AND {own:pg_type:t.oid}
