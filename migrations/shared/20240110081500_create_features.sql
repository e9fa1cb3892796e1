-- What the product can do, and which plan includes what.
CREATE TABLE shared.features (
    id   smallint PRIMARY KEY,
    code text     NOT NULL UNIQUE CHECK (code ~ '^[a-z_]+$'),
    name text     NOT NULL
);

CREATE TABLE shared.plan_features (
    plan_id    smallint NOT NULL REFERENCES shared.plans ON DELETE CASCADE,
    feature_id smallint NOT NULL REFERENCES shared.features ON DELETE CASCADE,
    PRIMARY KEY (plan_id, feature_id)
);

CREATE INDEX plan_features_feature_id_idx ON shared.plan_features (feature_id);

INSERT INTO shared.features (id, code, name) VALUES
    (1, 'projects', 'Projects and tasks'),
    (2, 'time_tracking', 'Time tracking'),
    (3, 'audit_log', 'Audit log');

INSERT INTO shared.plan_features (plan_id, feature_id) VALUES
    (1, 1),
    (2, 1), (2, 2),
    (3, 1), (3, 2), (3, 3);
