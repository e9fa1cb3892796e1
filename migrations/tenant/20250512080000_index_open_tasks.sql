-- no-transaction
-- "My open tasks" is the page that everybody starts with. One statement alone, and no IF NOT EXISTS: that would take
-- the broken index of a failed attempt for the real one.
CREATE INDEX CONCURRENTLY tasks_unfinished_idx ON tasks (assignee_id, created_at)
    WHERE status <> 'done';
