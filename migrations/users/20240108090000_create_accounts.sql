-- One row for each person who can sign in, whichever tenants they belong to.
CREATE TABLE accounts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email        text        NOT NULL CHECK (email LIKE '%_@_%'),
    display_name text        NOT NULL CHECK (display_name <> ''),
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- Addresses differ by more than their case.
CREATE UNIQUE INDEX accounts_email_key ON accounts (lower(email));
