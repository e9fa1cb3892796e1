-- migrate:up
-- What the reporting role may read: figures, and no single event.
CREATE VIEW weekly_report AS
SELECT date_trunc('week', day)::date AS week, tenant, sum(count) AS events
FROM daily_counts
GROUP BY 1, 2;

-- The role is the platform's, made before any migration: see prepare/roles.sql.
GRANT SELECT ON weekly_report TO reporting;

-- migrate:down
DROP VIEW weekly_report;
