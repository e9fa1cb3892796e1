-- Text search configurations, with what they do to each kind of token.
SELECT s.oid AS schema, 'text search' AS kind,
    'configuration ' || quote_ident(c.cfgname) AS name,
    CASE WHEN {at:s} THEN concat_ws({sep},
        'parser=' || (SELECT quote_ident(p.prsname) FROM pg_ts_parser AS p WHERE p.oid = c.cfgparser),
        'mappings=' || (
            SELECT string_agg(m.maptokentype || ': ' || m.mapdict::regdictionary::text, ', ' ORDER BY m.maptokentype, m.mapseqno)
            FROM pg_ts_config_map AS m WHERE m.mapcfg = c.oid),
        'owner=' || quote_ident(pg_get_userbyid(c.cfgowner))
    ) END AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_ts_config AS c ON c.cfgnamespace = s.oid
LEFT JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_ts_config'::regclass AND d.objsubid = 0
WHERE {own:pg_ts_config:c.oid}
