-- migrate:up
-- A new year. What has already been written ahead for it moves out of the way of the new partition.
CREATE TABLE events_2025 (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS);

WITH moved AS (
    DELETE FROM events_other
    WHERE occurred_at >= '2025-01-01T00:00:00Z' AND occurred_at < '2026-01-01T00:00:00Z'
    RETURNING *
)
INSERT INTO events_2025 SELECT * FROM moved;

ALTER TABLE events ATTACH PARTITION events_2025
    FOR VALUES FROM ('2025-01-01T00:00:00Z') TO ('2026-01-01T00:00:00Z');

-- migrate:down
ALTER TABLE events DETACH PARTITION events_2025;
INSERT INTO events_other SELECT * FROM events_2025;
DROP TABLE events_2025;
