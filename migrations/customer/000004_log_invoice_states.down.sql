DROP TRIGGER invoices_log_state ON invoices;
DROP FUNCTION log_invoice_state();
DROP TABLE invoice_log;
