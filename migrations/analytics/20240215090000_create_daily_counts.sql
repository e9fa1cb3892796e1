-- migrate:up
-- The dashboard's figures, so that it need not count events.
CREATE TABLE daily_counts (
    day    date   NOT NULL,
    tenant text   NOT NULL,
    name   text   NOT NULL,
    count  bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, tenant, name)
);

INSERT INTO daily_counts (day, tenant, name, count)
SELECT (occurred_at AT TIME ZONE 'UTC')::date, tenant, name, count(*)
FROM events
GROUP BY 1, 2, 3;

-- migrate:down
DROP TABLE daily_counts;
