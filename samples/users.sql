-- Accounts as they were after 20240520101500 (mig-ci.toml says so): the names that splitting them has to cope with.
INSERT INTO accounts (email, display_name, status, created_at) VALUES
    ('ada@example.com', 'Ada Lovelace', 'active', '2024-01-09 08:00Z'),
    ('cher@example.com', 'Cher', 'active', '2024-01-10 08:00Z'),
    ('blank@example.com', '   ', 'suspended', '2024-01-11 08:00Z'),
    ('Ludwig@example.com', ' Ludwig  van Beethoven ', 'closed', '2024-01-12 08:00Z');

INSERT INTO sessions (token_hash, account_id, created_at, expires_at)
SELECT sha256(convert_to(email || n, 'UTF8')), id, '2024-05-01 00:00Z', '2024-05-01 00:00Z'::timestamptz + n * interval '1 day'
FROM accounts, generate_series(1, 50) AS n
WHERE status = 'active';
