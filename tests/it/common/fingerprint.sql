-- One line for each thing in the schema $1 (quoted), without the tables $2. With an empty search path all names come
-- out qualified, so that a reference that leaves the schema (a default that uses another tenant's sequence) shows.
-- Owners are left out, grants are not.
WITH relation AS (
    SELECT * FROM pg_class
    WHERE relnamespace = $1::regnamespace AND relname <> ALL ($2)
), line (kind, name, text) AS (
    SELECT 'table', c.relname,
           concat_ws(' ', c.relkind, c.relpersistence, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
                     (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                      FROM pg_inherits WHERE inhrelid = c.oid),
                     CASE WHEN c.relrowsecurity THEN 'row security' END,
                     CASE WHEN c.relforcerowsecurity THEN 'forced' END,
                     c.reloptions, obj_description(c.oid, 'pg_class'))
    FROM relation AS c WHERE c.relkind IN ('r', 'p', 'f', 'c', 'v', 'm')
    UNION ALL
    SELECT 'column', format('%s.%s', c.relname, lpad(place::text, 3, '0')),
           concat_ws(' ', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
                     CASE WHEN attidentity <> '' THEN 'identity ' || attidentity::text END,
                     CASE WHEN attgenerated <> '' THEN 'generated ' || attgenerated::text END,
                     pg_get_expr(adbin, adrelid),
                     CASE WHEN attcollation <> typcollation THEN attcollation::regcollation::text END,
                     col_description(c.oid, attnum))
    FROM relation AS c
    JOIN (SELECT *, row_number() OVER (PARTITION BY attrelid ORDER BY attnum) AS place
          FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped) AS a ON a.attrelid = c.oid
    JOIN pg_type AS t ON t.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
    WHERE c.relkind IN ('r', 'p', 'f', 'c', 'v', 'm')
    UNION ALL
    -- Since version 18 NOT NULL is a constraint too; the columns show it already.
    SELECT 'constraint', format('%s.%s', c.relname, conname),
           concat_ws(' ', pg_get_constraintdef(k.oid), CASE WHEN NOT convalidated THEN 'not valid' END)
    FROM relation AS c JOIN pg_constraint AS k ON conrelid = c.oid WHERE contype <> 'n'
    UNION ALL
    SELECT 'index', i.relname,
           concat_ws(' ', pg_get_indexdef(i.oid), CASE WHEN NOT indisvalid THEN 'INVALID' END,
                     CASE WHEN indisreplident THEN 'replica identity' END)
    FROM relation AS c JOIN pg_index ON indrelid = c.oid JOIN pg_class AS i ON i.oid = indexrelid
    UNION ALL
    SELECT 'sequence', c.relname,
           concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
    FROM relation AS c JOIN pg_sequence ON seqrelid = c.oid
    UNION ALL
    SELECT 'view', c.relname, pg_get_viewdef(c.oid) FROM relation AS c WHERE c.relkind IN ('v', 'm')
    UNION ALL
    SELECT 'trigger', format('%s.%s', c.relname, tgname), concat_ws(' ', tgenabled, pg_get_triggerdef(t.oid))
    FROM relation AS c JOIN pg_trigger AS t ON tgrelid = c.oid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'policy', format('%s.%s', c.relname, polname),
           concat_ws(' ', polpermissive, polcmd, polroles::regrole[], pg_get_expr(polqual, c.oid),
                     pg_get_expr(polwithcheck, c.oid))
    FROM relation AS c JOIN pg_policy ON polrelid = c.oid
    UNION ALL
    SELECT 'grant', c.relname, concat_ws(' ', grantee::regrole, privilege_type, is_grantable)
    FROM relation AS c CROSS JOIN aclexplode(c.relacl) WHERE grantee <> c.relowner
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
    FROM pg_proc AS p WHERE pronamespace = $1::regnamespace AND prokind IN ('f', 'p', 'w')
    UNION ALL
    SELECT 'enum', typname, (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
    FROM pg_type AS t WHERE typnamespace = $1::regnamespace AND typtype = 'e'
    UNION ALL
    SELECT 'domain', typname,
           concat_ws(' ', format_type(typbasetype, typtypmod), CASE WHEN typnotnull THEN 'not null' END, typdefault,
                     (SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY conname)
                      FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'))
    FROM pg_type AS t WHERE typnamespace = $1::regnamespace AND typtype = 'd'
)
SELECT format('%s %s: %s', kind, name, text) FROM line ORDER BY kind, name COLLATE "C", text COLLATE "C"
