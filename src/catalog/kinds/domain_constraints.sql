-- Constraints of domains.
SELECT s.oid AS schema, 'constraint' AS kind,
    quote_ident(t.typname) || '.' || quote_ident(k.conname) AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'definition=' || coalesce(pg_get_constraintdef(k.oid), {gone:k.oid}),
        CASE WHEN NOT k.convalidated THEN 'valid=no' END
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_type AS t ON t.typnamespace = s.oid AND t.typtype = 'd'
JOIN pg_constraint AS k ON k.contypid = t.oid
LEFT JOIN pg_description AS d ON d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass AND d.objsubid = 0
WHERE {own:pg_type:t.oid}
