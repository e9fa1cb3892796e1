-- Stark, written by hand: data for the tables of version 2 (mig-ci.toml says so), before invoices had numbers.
INSERT INTO contracts (reference, signed_on, ends_on) VALUES
    ('SI-1', '2023-11-30', NULL),
    ('SI-2', '2024-01-10', '2024-12-31');

-- Two on one day, and both sides of a turn of the year: what numbering has to cope with.
INSERT INTO invoices (contract_id, state, issued_on, net_cents, tax_percent)
SELECT contract.id, given.state::invoice_state, given.issued_on::date, given.net_cents, given.tax_percent
FROM (VALUES
    ('SI-1', 'paid', '2023-12-31', 999999, 19),
    ('SI-1', 'paid', '2024-01-01', 1, 0),
    ('SI-1', 'sent', '2024-02-29', 250050, 7),
    ('SI-2', 'sent', '2024-02-29', 0, 19),
    ('SI-2', 'draft', '2024-03-01', 4711, 99)
) AS given (reference, state, issued_on, net_cents, tax_percent)
JOIN contracts AS contract USING (reference);
