-- What the tenant pays for. Plans are shared, and named with their schema.
CREATE TABLE subscription (
    -- A tenant has one subscription at most.
    only_row   boolean  PRIMARY KEY DEFAULT true CHECK (only_row),
    plan_id    smallint NOT NULL REFERENCES shared.plans,
    started_on date     NOT NULL DEFAULT current_date
);
