-- no-transaction
-- The nightly clean-up looks for expired sessions. The table is busy, so writers must not wait for the index.
CREATE INDEX CONCURRENTLY sessions_expires_at_idx ON sessions (expires_at);
