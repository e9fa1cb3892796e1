-- What a tenant can subscribe to. The same for all of them, so it lives once, in the schema `shared`.
CREATE TABLE shared.plans (
    id                  smallint PRIMARY KEY,
    code                text     NOT NULL UNIQUE CHECK (code ~ '^[a-z]+$'),
    name                text     NOT NULL,
    monthly_price_cents integer  NOT NULL CHECK (monthly_price_cents >= 0)
);

INSERT INTO shared.plans (id, code, name, monthly_price_cents) VALUES
    (1, 'free', 'Free', 0),
    (2, 'team', 'Team', 2900),
    (3, 'business', 'Business', 9900);
