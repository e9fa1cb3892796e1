-- migrate:up
-- Where an event came from. Old ones carry it in their properties, if at all.
ALTER TABLE events ADD COLUMN source text;

UPDATE events SET source = coalesce(properties ->> 'source', 'web');

ALTER TABLE events
    ALTER COLUMN source SET DEFAULT 'web',
    ALTER COLUMN source SET NOT NULL,
    ADD CONSTRAINT events_source_known CHECK (source IN ('web', 'api', 'mobile', 'import'));

-- migrate:down
ALTER TABLE events DROP COLUMN source;
