-- Each contract has its own time to pay.
ALTER TABLE contracts ADD COLUMN days_to_pay integer NOT NULL DEFAULT 30 CHECK (days_to_pay > 0);

CREATE VIEW overdue_invoices AS
SELECT invoice.id, invoice.number, contract.reference, invoice.gross_cents,
       invoice.issued_on + contract.days_to_pay AS due_on
FROM invoices AS invoice
JOIN contracts AS contract ON contract.id = invoice.contract_id
WHERE invoice.state = 'sent'
  AND invoice.issued_on + contract.days_to_pay < current_date;
