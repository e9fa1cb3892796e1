-- Who the tenants are: `mig-ci upgrade --all-tenants` asks this table (see mig-ci.toml).
CREATE TABLE shared.tenants (
    slug       text        PRIMARY KEY CHECK (length(slug) BETWEEN 1 AND 40),
    name       text        NOT NULL,
    plan_id    smallint    NOT NULL REFERENCES shared.plans,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX tenants_plan_id_idx ON shared.tenants (plan_id);
