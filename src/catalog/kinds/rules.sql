-- Rules, but for the one that a view is.
SELECT r.schema, 'rule' AS kind,
    quote_ident(r.relname) || '.' || quote_ident(w.rulename) AS name,
    CASE WHEN {at:r} THEN concat_ws({sep},
        'definition=' || coalesce(pg_get_ruledef(w.oid, true), {gone:w.oid}),
        'enabled=' || CASE w.ev_enabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END
    ) END AS code,
    'comment=' || d.description AS raw
FROM r
JOIN pg_rewrite AS w ON w.ev_class = r.oid
LEFT JOIN pg_description AS d ON d.objoid = w.oid AND d.classoid = 'pg_rewrite'::regclass AND d.objsubid = 0
WHERE w.rulename <> '_RETURN'
