-- Subscriptions are paid by the seat. Whoever is a member today has one.
ALTER TABLE subscription ADD COLUMN seats integer;

UPDATE subscription SET seats = greatest(1, (SELECT count(*) FROM members));

ALTER TABLE subscription
    ALTER COLUMN seats SET NOT NULL,
    ALTER COLUMN seats SET DEFAULT 1,
    ADD CONSTRAINT subscription_seats_positive CHECK (seats > 0);

CREATE VIEW enabled_features AS
SELECT feature.code, feature.name
FROM subscription
JOIN shared.plan_features AS included USING (plan_id)
JOIN shared.features AS feature ON feature.id = included.feature_id;
