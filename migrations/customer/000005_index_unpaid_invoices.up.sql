-- One statement alone: golang-migrate sends a file as one message, and several statements in it are a transaction.
CREATE INDEX CONCURRENTLY invoices_unpaid_idx ON invoices (issued_on) WHERE state = 'sent';
