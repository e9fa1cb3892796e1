-- Triggers. Of those that PostgreSQL keeps for its constraints only what somebody has disabled, or enabled otherwise: their
-- names hold object identifiers.
SELECT r.schema, 'trigger' AS kind,
    quote_ident(r.relname) || '.' || CASE WHEN g.tgisinternal
        THEN quote_ident(k.conname) || ' (' || g.tgfoid::regproc::text || ')'
        ELSE quote_ident(g.tgname) END AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        CASE WHEN NOT g.tgisinternal
            THEN 'definition=' || coalesce(pg_get_triggerdef(g.oid, true), {gone:g.oid}) END,
        'enabled=' || CASE g.tgenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
JOIN pg_trigger AS g ON g.tgrelid = r.oid
LEFT JOIN pg_constraint AS k ON k.oid = g.tgconstraint
LEFT JOIN pg_description AS d ON d.objoid = g.oid AND d.classoid = 'pg_trigger'::regclass AND d.objsubid = 0
WHERE NOT g.tgisinternal OR (g.tgenabled <> 'O' AND k.oid IS NOT NULL)
