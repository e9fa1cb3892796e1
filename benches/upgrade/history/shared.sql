---- plans
CREATE TABLE shared.plans (
    id serial PRIMARY KEY,
    code text NOT NULL,
    name text NOT NULL,
    price_cents integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE shared.plans ADD CONSTRAINT plans_code UNIQUE (code);

INSERT INTO shared.plans (code, name, price_cents)
VALUES ('free', 'Free', 0), ('pro', 'Pro', 2900), ('all', 'Everything', 19900);

---- features
CREATE TABLE shared.features (id serial PRIMARY KEY, key text NOT NULL UNIQUE, description text);

CREATE TABLE shared.plan_features (
    plan_id integer NOT NULL REFERENCES shared.plans (id) ON DELETE CASCADE,
    feature_id integer NOT NULL REFERENCES shared.features (id) ON DELETE CASCADE,
    PRIMARY KEY (plan_id, feature_id)
);

---- countries
CREATE TABLE shared.countries (code char(2) PRIMARY KEY, name text NOT NULL);

INSERT INTO shared.countries VALUES ('DE', 'Germany'), ('FR', 'France'), ('US', 'United States');

---- currency
CREATE TYPE shared.currency AS ENUM ('EUR', 'USD', 'GBP');

ALTER TABLE shared.plans ADD COLUMN currency shared.currency NOT NULL DEFAULT 'EUR';

---- touch
CREATE FUNCTION shared.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$fn$;

---- tenants
CREATE TABLE shared.tenants (
    id serial PRIMARY KEY,
    schema_name text NOT NULL UNIQUE,
    plan_id integer NOT NULL DEFAULT 1 REFERENCES shared.plans (id),
    created_at timestamptz NOT NULL DEFAULT now()
);
