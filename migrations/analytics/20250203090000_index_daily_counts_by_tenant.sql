-- migrate:up transaction:false
-- One statement alone: several in one message would be a transaction again, and refused.
CREATE INDEX CONCURRENTLY daily_counts_tenant_idx ON daily_counts (tenant, day);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY daily_counts_tenant_idx;
