-- Text search dictionaries.
SELECT s.oid AS schema, 'text search' AS kind,
    'dictionary ' || quote_ident(c.dictname) AS name,
    concat_ws({sep},
        'template=' || (SELECT quote_ident(t.tmplname) FROM pg_ts_template AS t WHERE t.oid = c.dicttemplate),
        'options=' || c.dictinitoption,
        'owner=' || quote_ident(pg_get_userbyid(c.dictowner))
    ) AS code,
    'comment=' || d.description AS raw
FROM s
JOIN pg_ts_dict AS c ON c.dictnamespace = s.oid
LEFT JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_ts_dict'::regclass AND d.objsubid = 0
WHERE {own:pg_ts_dict:c.oid}
