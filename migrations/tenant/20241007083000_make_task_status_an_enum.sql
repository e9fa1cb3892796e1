-- The status was free text. What people have written is brought to what the product knows; anything else stops here,
-- because nobody can guess what it means.
CREATE TYPE task_status AS ENUM ('open', 'in_progress', 'done');

UPDATE tasks
SET status = CASE lower(trim(status))
    WHEN 'open' THEN 'open'
    WHEN 'todo' THEN 'open'
    WHEN 'in progress' THEN 'in_progress'
    WHEN 'doing' THEN 'in_progress'
    WHEN 'done' THEN 'done'
    WHEN 'closed' THEN 'done'
    ELSE status
END;

ALTER TABLE tasks
    ALTER COLUMN status DROP DEFAULT,
    ALTER COLUMN status TYPE task_status USING status::task_status,
    ALTER COLUMN status SET DEFAULT 'open';
