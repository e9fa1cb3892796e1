-- Numbers without gaps within a year, as the tax office wants them: 2024-0001, 2024-0002, …
ALTER TABLE invoices ADD COLUMN number text;

UPDATE invoices
SET number = counted.year || '-' || lpad(counted.place::text, 4, '0')
FROM (
    SELECT id, extract(year FROM issued_on)::text AS year,
           row_number() OVER (PARTITION BY extract(year FROM issued_on) ORDER BY issued_on, id) AS place
    FROM invoices
) AS counted
WHERE invoices.id = counted.id;

ALTER TABLE invoices
    ALTER COLUMN number SET NOT NULL,
    ADD CONSTRAINT invoices_number_key UNIQUE (number);
