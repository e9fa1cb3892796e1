-- What all queries begin with: the schemas, what extensions have made, the relations of the schemas, and their columns.
WITH s AS MATERIALIZED (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl, {path} AS path
    FROM unnest({schemas}) AS wanted (oid) JOIN pg_namespace AS n ON n.oid = wanted.oid
), member AS MATERIALIZED (
    SELECT d.classid, d.objid FROM pg_depend AS d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
), r AS MATERIALIZED (
    SELECT s.oid AS schema, s.path, c.oid, c.relname, c.relkind, c.relpersistence, c.relpartbound, c.relispartition,
        c.reloftype, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.reltoastrelid, c.relreplident,
        c.reltablespace, c.relam, c.relowner, c.relacl
    FROM s JOIN pg_class AS c ON c.relnamespace = s.oid
    WHERE c.relkind <> 't' AND NOT (c.oid = ANY ({left_out}))
        AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
    ORDER BY s.oid
), a AS MATERIALIZED (
    -- Attributes of whatever has columns, by the index on attrelid: the table behind it is the largest of the catalog.
    SELECT r.schema, r.path, r.oid AS relation, r.relname, a.*
    FROM r
    CROSS JOIN LATERAL (
        SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.atthasdef,
            a.attcompression, -- since 14
            a.attgenerated, a.attidentity, a.attinhcount, a.attislocal, a.attstorage, a.attstattarget, a.attoptions,
            a.attfdwoptions, a.attacl, row_number() OVER (ORDER BY a.attnum) AS position
        FROM pg_attribute AS a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
        OFFSET 0
    ) AS a
    WHERE r.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')
)
