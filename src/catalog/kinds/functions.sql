-- Functions, procedures and aggregates. A body that is a string is text as it is, wherever it names a schema; one that
-- PostgreSQL has parsed (BEGIN ATOMIC) is code.
SELECT s.oid AS schema,
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
    CASE WHEN {at:s} THEN quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' END AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'arguments=' || coalesce(pg_get_function_arguments(p.oid), {gone:p.oid}),
        'result=' || pg_get_function_result(p.oid),
        'language=' || l.lanname,
        CASE WHEN p.prokind = 'w' THEN 'window=yes' END,
        'volatility=' || CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
        CASE WHEN p.proisstrict THEN 'strict=yes' END,
        CASE WHEN p.prosecdef THEN 'security=definer' END,
        CASE WHEN p.proleakproof THEN 'leakproof=yes' END,
        'parallel=' || CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END,
        'cost=' || p.procost,
        'rows=' || nullif(p.prorows, 0),
        CASE WHEN p.prosupport <> 0 THEN 'support=' || p.prosupport::regprocedure::text END,
        'transforms=' || (SELECT string_agg(format_type(t.oid, NULL), ', ' ORDER BY t.at) FROM unnest(p.protrftypes) WITH ORDINALITY AS t (oid, at)),
        -- The search path is a list of names, of which one may be this schema's.
        'settings=' || (
            SELECT string_agg(CASE WHEN v.setting !~ '^search_path=' THEN v.setting ELSE 'search_path=' || coalesce((
                SELECT string_agg(CASE
                    WHEN s.path <> '' AND n.word[1] IN (s.path, '"' || replace(s.nspname, '"', '""') || '"') THEN {placeholder}
                    ELSE n.word[1] END, ', ' ORDER BY n.at)
                FROM regexp_matches(substr(v.setting, 13), '"(?:[^"]|"")*"|[^,\s]+', 'g') WITH ORDINALITY AS n (word, at)), '') END,
                ', ' ORDER BY v.at)
            FROM unnest(p.proconfig) WITH ORDINALITY AS v (setting, at)),
        'owner=' || quote_ident(pg_get_userbyid(p.proowner)),
        'grants=' || {grants:p.proacl:f:p.proowner},
        CASE WHEN p.prosqlbody IS NOT NULL THEN 'body=' || coalesce(pg_get_function_sqlbody(p.oid), {gone:p.oid}) END, -- since 14
        (SELECT concat_ws({sep},
            'aggregate kind=' || CASE g.aggkind WHEN 'o' THEN 'ordered set' WHEN 'h' THEN 'hypothetical set' END,
            'transition=' || g.aggtransfn::regprocedure::text,
            'state=' || format_type(g.aggtranstype, NULL),
            'initial=' || quote_literal(g.agginitval),
            'final=' || nullif(g.aggfinalfn, 0)::regprocedure::text,
            'combine=' || nullif(g.aggcombinefn, 0)::regprocedure::text,
            'serial=' || nullif(g.aggserialfn, 0)::regprocedure::text,
            'deserial=' || nullif(g.aggdeserialfn, 0)::regprocedure::text,
            'moving=' || nullif(g.aggmtransfn, 0)::regprocedure::text,
            'moving inverse=' || nullif(g.aggminvtransfn, 0)::regprocedure::text,
            'moving final=' || nullif(g.aggmfinalfn, 0)::regprocedure::text,
            'sort operator=' || nullif(g.aggsortop, 0)::regoperator::text,
            'final modifies=' || g.aggfinalmodify::text || g.aggmfinalmodify::text)
        FROM pg_aggregate AS g WHERE g.aggfnoid = p.oid)
    ) END AS code,
    concat_ws({sep},
        'library=' || p.probin,
        CASE WHEN p.prokind <> 'a' THEN 'text=' || p.prosrc END,
        'comment=' || d.description) AS raw
FROM s
JOIN pg_proc AS p ON p.pronamespace = s.oid
JOIN pg_language AS l ON l.oid = p.prolang
LEFT JOIN pg_description AS d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass AND d.objsubid = 0
WHERE {own:pg_proc:p.oid}
