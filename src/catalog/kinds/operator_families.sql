-- Operator families, with what is in them.
SELECT s.oid AS schema, 'operator family' AS kind,
    quote_ident(f.opfname) || ' using ' || quote_ident(m.amname) AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'operators=' || (
            SELECT string_agg(line, ', ' ORDER BY line COLLATE "C") FROM (
                SELECT a.amopstrategy || ' ' || a.amopopr::regoperator::text || ' ' || a.amoppurpose::text AS line
                FROM pg_amop AS a WHERE a.amopfamily = f.oid) AS lines),
        'functions=' || (
            SELECT string_agg(line, ', ' ORDER BY line COLLATE "C") FROM (
                SELECT a.amprocnum || ' ' || a.amproc::regprocedure::text AS line
                FROM pg_amproc AS a WHERE a.amprocfamily = f.oid) AS lines),
        'owner=' || quote_ident(pg_get_userbyid(f.opfowner))
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_opfamily AS f ON f.opfnamespace = s.oid
JOIN pg_am AS m ON m.oid = f.opfmethod
LEFT JOIN pg_description AS d ON d.objoid = f.oid AND d.classoid = 'pg_opfamily'::regclass AND d.objsubid = 0
WHERE {own:pg_opfamily:f.oid}
