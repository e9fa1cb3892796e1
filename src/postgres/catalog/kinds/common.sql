-- What all queries begin with: the schemas, what extensions have made, and the relations of the schemas.
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
)
