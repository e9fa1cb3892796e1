-- Initech, written by hand: data alone, for tables as they were after 20240603110000 (mig-ci.toml says so).
-- What has bitten in support goes in here: the person who left, the project of that name that was archived before,
-- the task without anybody, statuses as people typed them.
INSERT INTO members (email, name, role, joined_at) VALUES
    ('Bill.Lumbergh@initech.example', 'Bill Lumbergh', 'owner', '2024-03-01 09:00Z'),
    ('peter@initech.example', 'Peter Gibbons', 'member', '2024-03-02 09:00Z'),
    ('milton@initech.example', 'Milton Waddams', 'member', '2024-03-04 09:00Z');

INSERT INTO subscription (plan_id, started_on)
SELECT id, '2024-03-01' FROM shared.plans WHERE code = 'free';

INSERT INTO projects (name, created_at, archived_at) VALUES
    ('TPS reports', '2024-03-05 10:00Z', '2024-05-01 10:00Z'),
    ('TPS reports', '2024-05-01 10:05Z', NULL),
    ('Year 2000; DROP TABLE tasks; --', '2024-05-02 08:30Z', NULL);

-- Numbers are left to the trigger.
INSERT INTO tasks (project_id, assignee_id, title, status, created_at)
SELECT project.id, member.id, given.title, given.status, given.created_at
FROM (VALUES
    ('2024-05-01 10:05Z'::timestamptz, 'peter@initech.example', 'New cover sheet', 'Doing', '2024-05-06 09:00Z'::timestamptz),
    ('2024-05-01 10:05Z', 'peter@initech.example', 'Read the memo again', 'todo ', '2024-05-06 09:30Z'),
    ('2024-05-02 08:30Z', 'milton@initech.example', 'It''s about the stapler; again', 'open', '2024-05-07 16:00Z'),
    ('2024-05-02 08:30Z', NULL, 'Update $$bank$$ software', 'CLOSED', '2024-05-08 11:00Z')
) AS given (project_created_at, email, title, status, created_at)
JOIN projects AS project ON project.created_at = given.project_created_at
LEFT JOIN members AS member ON member.email = given.email
ORDER BY given.created_at;
