DROP VIEW overdue_invoices;
ALTER TABLE contracts DROP COLUMN days_to_pay;
