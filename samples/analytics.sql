-- Events as they were after 20240710110000 (mig-ci.toml says so). Some are dated ahead, and lie where the partition of
-- their year will be; some say where they came from.
INSERT INTO events (occurred_at, tenant, name, properties)
SELECT timestamptz '2024-02-01 00:00Z' + n * interval '11 hours',
       (ARRAY['acme', 'globex', 'initech'])[1 + n % 3],
       (ARRAY['task.created', 'task.done', 'member.joined'])[1 + n % 3],
       CASE WHEN n % 4 = 0 THEN '{"source": "api"}' ELSE jsonb_build_object('order', n) END
FROM generate_series(1, 900) AS n;

INSERT INTO daily_counts (day, tenant, name, count)
SELECT (occurred_at AT TIME ZONE 'UTC')::date, tenant, name, count(*)
FROM events
GROUP BY 1, 2, 3;
