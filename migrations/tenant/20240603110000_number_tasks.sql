-- People speak of "task 12 of the project", so tasks are counted within their project, the oldest first.
ALTER TABLE tasks ADD COLUMN number integer;

UPDATE tasks
SET number = counted.number
FROM (
    SELECT id, row_number() OVER (PARTITION BY project_id ORDER BY created_at, id) AS number
    FROM tasks
) AS counted
WHERE tasks.id = counted.id;

ALTER TABLE tasks
    ALTER COLUMN number SET NOT NULL,
    ADD CONSTRAINT tasks_number_key UNIQUE (project_id, number);

-- `FROM CURRENT` ties the function to this tenant's schema, whatever the search path of its caller.
CREATE FUNCTION number_task() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.number IS NULL THEN
        -- Two new tasks of one project wait for each other here.
        PERFORM FROM projects WHERE id = NEW.project_id FOR UPDATE;
        SELECT coalesce(max(number), 0) + 1 INTO NEW.number
        FROM tasks
        WHERE project_id = NEW.project_id;
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER tasks_number
    BEFORE INSERT ON tasks
    FOR EACH ROW EXECUTE FUNCTION number_task();
