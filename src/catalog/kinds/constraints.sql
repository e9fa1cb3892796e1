-- Constraints of tables. What is deferrable, not valid or not enforced says so in its definition. Constraint triggers are
-- triggers.
SELECT r.schema, 'constraint' AS kind,
    quote_ident(r.relname) || '.' || quote_ident(k.conname) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'definition=' || coalesce(pg_get_constraintdef(k.oid), {gone:k.oid}),
        CASE WHEN NOT k.conislocal THEN 'inherited=yes' END,
        CASE WHEN NOT k.convalidated THEN 'valid=no' END
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
JOIN pg_constraint AS k ON k.conrelid = r.oid
LEFT JOIN pg_description AS d ON d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass AND d.objsubid = 0
WHERE k.contype <> 't'
