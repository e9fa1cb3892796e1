-- How many members a plan allows; NULL is no limit.
ALTER TABLE shared.plans ADD COLUMN max_members integer CHECK (max_members > 0);

UPDATE shared.plans
SET max_members = CASE code WHEN 'free' THEN 3 WHEN 'team' THEN 25 END;
