-- Signed-in browsers. The token itself is never stored.
CREATE TABLE sessions (
    token_hash bytea       PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    account_id bigint      NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT sessions_end_after_they_begin CHECK (expires_at > created_at)
);

CREATE INDEX sessions_account_id_idx ON sessions (account_id);
