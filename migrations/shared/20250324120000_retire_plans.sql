-- A plan that nobody can choose any more stays for those who have it.
ALTER TABLE shared.plans ADD COLUMN retired_at timestamptz;

CREATE VIEW shared.current_plans AS
SELECT id, code, name, monthly_price_cents, max_members
FROM shared.plans
WHERE retired_at IS NULL;
