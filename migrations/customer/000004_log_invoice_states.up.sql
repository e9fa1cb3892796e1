-- Who moved an invoice from which state to which, and when.
CREATE TABLE invoice_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id bigint        NOT NULL REFERENCES invoices ON DELETE CASCADE,
    old_state  invoice_state,
    new_state  invoice_state NOT NULL,
    changed_at timestamptz   NOT NULL DEFAULT now(),
    changed_by text          NOT NULL DEFAULT current_user
);

CREATE INDEX invoice_log_invoice_id_idx ON invoice_log (invoice_id);

CREATE FUNCTION log_invoice_state() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO invoice_log (invoice_id, new_state) VALUES (NEW.id, NEW.state);
    ELSIF NEW.state <> OLD.state THEN
        INSERT INTO invoice_log (invoice_id, old_state, new_state) VALUES (NEW.id, OLD.state, NEW.state);
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER invoices_log_state
    AFTER INSERT OR UPDATE OF state ON invoices
    FOR EACH ROW EXECUTE FUNCTION log_invoice_state();

-- The log begins with the state of today.
INSERT INTO invoice_log (invoice_id, new_state) SELECT id, state FROM invoices ORDER BY id;
