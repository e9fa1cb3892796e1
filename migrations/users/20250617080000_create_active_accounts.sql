-- What other services may see of an account.
CREATE VIEW active_accounts AS
SELECT id, email, given_name, family_name
FROM accounts
WHERE status = 'active';

COMMENT ON VIEW active_accounts IS 'Read by the mailer and the support desk.';
