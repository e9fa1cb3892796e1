-- migrate:up
-- Support looks events up by what they carry: properties @> '{"order": 17}'.
CREATE INDEX events_properties_idx ON events USING gin (properties jsonb_path_ops);

-- migrate:down
DROP INDEX events_properties_idx;
