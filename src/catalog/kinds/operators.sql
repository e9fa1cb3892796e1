-- Operators.
SELECT s.oid AS schema, 'operator' AS kind,
    CASE WHEN {at:s} THEN o.oprname || '(' || CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END || ', '
        || format_type(o.oprright, NULL) || ')' END AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'result=' || format_type(o.oprresult, NULL),
        'function=' || nullif(o.oprcode, 0)::regprocedure::text,
        'commutator=' || nullif(o.oprcom, 0)::regoperator::text,
        'negator=' || nullif(o.oprnegate, 0)::regoperator::text,
        'restrict=' || nullif(o.oprrest, 0)::regprocedure::text,
        'join=' || nullif(o.oprjoin, 0)::regprocedure::text,
        CASE WHEN o.oprcanmerge THEN 'merges=yes' END,
        CASE WHEN o.oprcanhash THEN 'hashes=yes' END,
        'owner=' || quote_ident(pg_get_userbyid(o.oprowner))
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_operator AS o ON o.oprnamespace = s.oid
LEFT JOIN pg_description AS d ON d.objoid = o.oid AND d.classoid = 'pg_operator'::regclass AND d.objsubid = 0
WHERE {own:pg_operator:o.oid}
