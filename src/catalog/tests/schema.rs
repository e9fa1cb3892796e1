//! The schema of a tenant with objects of all kinds.

/// Created once, for all tenants.
pub(crate) const SHARED: &str = "
    CREATE ROLE app; CREATE ROLE other;
    CREATE SCHEMA shared;
    CREATE TABLE shared.plans (id int PRIMARY KEY);
    CREATE TYPE shared.currency AS ENUM ('EUR', 'USD');
    CREATE FUNCTION shared.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FOREIGN DATA WRAPPER nothing;
    CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
";

const ALL: &str = r#"
    CREATE TYPE state AS ENUM ('on', 'off');
    CREATE DOMAIN share AS numeric(5, 2) DEFAULT 0 CONSTRAINT small CHECK (VALUE <= 1);
    CREATE TYPE pair AS (a int, b state);
    CREATE TYPE span AS RANGE (subtype = float8);
    CREATE COLLATION plain_order FROM "POSIX";
    CREATE SEQUENCE numbers START 10;
    CREATE TABLE users (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        gone int,
        email text NOT NULL COLLATE plain_order,
        state state DEFAULT 'on',
        part share,
        twice numeric GENERATED ALWAYS AS (part * 2) STORED,
        plan int REFERENCES shared.plans,
        pair pair DEFAULT ROW(1, 'on')::pair,
        number bigint DEFAULT nextval('numbers'),
        tags text[] DEFAULT '{}',
        note varchar(80),
        "DifferingShape name" int,
        CONSTRAINT email_ok CHECK (email <> '')
    );
    ALTER TABLE users DROP COLUMN gone;
    CREATE TABLE orders (
        id bigserial PRIMARY KEY,
        user_id bigint REFERENCES users DEFERRABLE,
        at timestamptz DEFAULT '2020-01-01 00:00+02',
        price shared.currency,
        EXCLUDE USING btree (id WITH =)
    );
    CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
    CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE events_rest PARTITION OF events DEFAULT;
    CREATE INDEX events_n ON events (n);
    CREATE TABLE base (a int, b text);
    CREATE TABLE child (c int) INHERITS (base);
    CREATE UNLOGGED TABLE cache (k text PRIMARY KEY) WITH (fillfactor = 70);
    CREATE FOREIGN TABLE far (a int OPTIONS (x '1')) SERVER nowhere OPTIONS (y '2');
    CREATE INDEX users_state ON users (state) WHERE state = 'on';
    CREATE UNIQUE INDEX users_lower ON users (lower(email));
    CREATE VIEW v AS SELECT u.id, u.state, o.price FROM users AS u LEFT JOIN orders AS o ON o.user_id = u.id WHERE u.state = 'on';
    CREATE VIEW w AS SELECT v.id, p.id AS plan FROM v, shared.plans AS p;
    CREATE MATERIALIZED VIEW m AS SELECT state, count(*) AS n FROM users GROUP BY state;
    CREATE UNIQUE INDEX m_state ON m (state);
    CREATE RULE no_delete AS ON DELETE TO base DO INSTEAD UPDATE base SET a = 0 WHERE base.a = OLD.a;
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION total(p users, s state DEFAULT 'on') RETURNS SETOF orders LANGUAGE sql STABLE AS 'SELECT * FROM orders';
    CREATE FUNCTION plus(a state, b state) RETURNS state LANGUAGE sql IMMUTABLE AS 'SELECT a';
    CREATE PROCEDURE tidy(n int) LANGUAGE plpgsql AS 'BEGIN NULL; END';
    CREATE AGGREGATE first_state (state) (SFUNC = plus, STYPE = state, INITCOND = 'on');
    CREATE OPERATOR + (LEFTARG = state, RIGHTARG = state, FUNCTION = plus);
    CREATE VIEW added AS SELECT state + state AS s FROM users;
    CREATE OPERATOR CLASS state_ops FOR TYPE state USING hash AS OPERATOR 1 = (anyenum, anyenum);
    CREATE TRIGGER audit_users AFTER INSERT ON users FOR EACH ROW WHEN (NEW.state = 'on') EXECUTE FUNCTION audit('x');
    CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION shared.touch();
    ALTER TABLE users ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON users FOR SELECT TO app USING (EXISTS (SELECT FROM orders AS o WHERE o.user_id = users.id));
    CREATE STATISTICS both_columns (dependencies) ON state, plan FROM users;
    CREATE TEXT SEARCH CONFIGURATION english_plain (COPY = english);
    CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple, STOPWORDS = english);
    GRANT SELECT ON users TO app;
    GRANT UPDATE (email) ON users TO app;
    COMMENT ON TABLE users IS 'who';
"#;

const SINCE_14: &str = "
    CREATE FUNCTION parsed(n bigint) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT id FROM users WHERE id = n; END;
    CREATE STATISTICS by_expression ON (plan + 1), state FROM users;
";

/// The script for a server's major version.
pub(crate) fn of(major: u32) -> String {
    if major >= 14 { format!("{ALL}{SINCE_14}") } else { ALL.to_owned() }
}
