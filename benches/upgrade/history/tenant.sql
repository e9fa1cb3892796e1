---- users
CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email text NOT NULL,
    full_name text,
    password_hash text,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX users_email ON users (lower(email));

---- roles
CREATE TABLE roles (id serial PRIMARY KEY, name text NOT NULL, CONSTRAINT roles_name UNIQUE (name));

CREATE TABLE user_roles (
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role_id integer NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, role_id)
);

CREATE INDEX user_roles_role ON user_roles (role_id);

INSERT INTO roles (name) VALUES ('admin'), ('member'), ('viewer');

---- teams
CREATE TABLE teams (
    id bigserial PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE team_members (
    team_id bigint NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    joined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, user_id)
);

CREATE INDEX team_members_user ON team_members (user_id);

---- projects
CREATE TYPE project_status AS ENUM ('draft', 'active', 'archived');

CREATE TABLE projects (
    id bigserial PRIMARY KEY,
    team_id bigint NOT NULL REFERENCES teams (id),
    name text NOT NULL,
    slug text NOT NULL,
    status project_status NOT NULL DEFAULT 'draft',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX projects_team ON projects (team_id);

ALTER TABLE projects ADD CONSTRAINT projects_slug UNIQUE (slug);

---- tasks
CREATE TYPE task_state AS ENUM ('open', 'in_progress', 'done');

CREATE TABLE tasks (
    id bigserial PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    assignee_id bigint REFERENCES users (id) ON DELETE SET NULL,
    title text NOT NULL,
    body text,
    state task_state NOT NULL DEFAULT 'open',
    due_on date,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX tasks_project_state ON tasks (project_id, state);

CREATE INDEX tasks_assignee ON tasks (assignee_id) WHERE assignee_id IS NOT NULL;

---- task_comments
CREATE TABLE task_comments (
    id bigserial PRIMARY KEY,
    task_id bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    author_id bigint NOT NULL REFERENCES users (id),
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX task_comments_task ON task_comments (task_id, created_at);

---- attachments
CREATE TABLE attachments (
    id bigserial PRIMARY KEY,
    task_id bigint REFERENCES tasks (id) ON DELETE CASCADE,
    uploaded_by bigint NOT NULL REFERENCES users (id),
    file_name text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea,
    CONSTRAINT attachments_size CHECK (size_bytes >= 0)
);

CREATE INDEX attachments_task ON attachments (task_id);

---- labels
CREATE TABLE labels (id serial PRIMARY KEY, name text NOT NULL, color char(7) NOT NULL DEFAULT '#888888');

CREATE TABLE task_labels (
    task_id bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    label_id integer NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
    PRIMARY KEY (task_id, label_id)
);

CREATE UNIQUE INDEX labels_name ON labels (lower(name));

---- user_profiles
ALTER TABLE users ADD COLUMN locale text NOT NULL DEFAULT 'en';

ALTER TABLE users ADD COLUMN timezone text NOT NULL DEFAULT 'UTC';

ALTER TABLE users ADD COLUMN last_login_at timestamptz;

CREATE INDEX users_last_login ON users (last_login_at DESC NULLS LAST);

---- customers
CREATE TABLE customers (
    id bigserial PRIMARY KEY,
    name text NOT NULL,
    email text,
    country char(2) REFERENCES shared.countries (code),
    vat_id text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX customers_name ON customers (name text_pattern_ops);

CREATE TABLE contacts (
    id bigserial PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    name text NOT NULL,
    phone text,
    email text
);

CREATE INDEX contacts_customer ON contacts (customer_id);

---- invoices
CREATE TYPE invoice_status AS ENUM ('draft', 'sent', 'paid', 'void');

CREATE SEQUENCE invoice_number START 1000;

CREATE TABLE invoices (
    id bigserial PRIMARY KEY,
    number bigint NOT NULL DEFAULT nextval('invoice_number'),
    customer_id bigint NOT NULL REFERENCES customers (id),
    project_id bigint REFERENCES projects (id),
    status invoice_status NOT NULL DEFAULT 'draft',
    issued_on date,
    due_on date,
    total_cents bigint NOT NULL DEFAULT 0,
    CONSTRAINT invoices_number UNIQUE (number)
);

CREATE TABLE invoice_lines (
    id bigserial PRIMARY KEY,
    invoice_id bigint NOT NULL REFERENCES invoices (id) ON DELETE CASCADE,
    description text NOT NULL,
    quantity numeric(12, 3) NOT NULL DEFAULT 1,
    unit_cents bigint NOT NULL,
    CONSTRAINT invoice_lines_quantity CHECK (quantity > 0)
);

CREATE INDEX invoices_customer ON invoices (customer_id);

CREATE INDEX invoice_lines_invoice ON invoice_lines (invoice_id);

---- payments
CREATE TABLE payments (
    id bigserial PRIMARY KEY,
    invoice_id bigint NOT NULL REFERENCES invoices (id),
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    currency shared.currency NOT NULL DEFAULT 'EUR',
    paid_at timestamptz NOT NULL DEFAULT now(),
    provider text,
    provider_ref text
);

CREATE INDEX payments_invoice ON payments (invoice_id);

CREATE UNIQUE INDEX payments_ref ON payments (provider, provider_ref) WHERE provider_ref IS NOT NULL;

---- subscriptions
CREATE TABLE subscriptions (
    id bigserial PRIMARY KEY,
    plan_id integer NOT NULL REFERENCES shared.plans (id),
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    started_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz,
    CONSTRAINT subscriptions_period CHECK (ends_at IS NULL OR ends_at > started_at)
);

CREATE INDEX subscriptions_customer ON subscriptions (customer_id);

---- audit_log
CREATE TABLE audit_log (
    id bigserial PRIMARY KEY,
    table_name text NOT NULL,
    row_id text,
    op char(1) NOT NULL,
    changed_by text NOT NULL DEFAULT current_user,
    changed_at timestamptz NOT NULL DEFAULT now(),
    diff jsonb
);

CREATE INDEX audit_log_changed ON audit_log USING brin (changed_at);

CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    EXECUTE format('INSERT INTO %I.audit_log (table_name, op, diff) VALUES ($1, $2, $3)', TG_TABLE_SCHEMA)
    USING TG_TABLE_NAME, left(TG_OP, 1), CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    RETURN NULL;
END;
$fn$;

CREATE TRIGGER users_audit AFTER INSERT OR UPDATE OR DELETE ON users
FOR EACH ROW EXECUTE FUNCTION audit_row();

CREATE TRIGGER invoices_audit AFTER INSERT OR UPDATE OR DELETE ON invoices
FOR EACH ROW EXECUTE FUNCTION audit_row();

---- task_priority
ALTER TABLE tasks ADD COLUMN priority smallint;

UPDATE tasks SET priority = CASE WHEN due_on IS NULL THEN 3 ELSE 2 END WHERE priority IS NULL;

ALTER TABLE tasks ALTER COLUMN priority SET DEFAULT 3;

ALTER TABLE tasks ALTER COLUMN priority SET NOT NULL;

ALTER TABLE tasks ADD CONSTRAINT tasks_priority CHECK (priority BETWEEN 1 AND 5);

---- webhooks
CREATE TABLE webhooks (
    id bigserial PRIMARY KEY,
    url text NOT NULL,
    secret text NOT NULL,
    events text[] NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true
);

CREATE TABLE webhook_deliveries (
    id bigserial PRIMARY KEY,
    webhook_id bigint NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    payload jsonb NOT NULL,
    status_code integer,
    attempted_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX deliveries_webhook ON webhook_deliveries (webhook_id, attempted_at DESC);

---- api_keys
CREATE TABLE api_keys (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    prefix char(8) NOT NULL,
    key_hash bytea NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    CONSTRAINT api_keys_prefix UNIQUE (prefix)
);

CREATE INDEX api_keys_user ON api_keys (user_id);

---- settings
CREATE TABLE settings (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TRIGGER settings_touch BEFORE UPDATE ON settings
FOR EACH ROW EXECUTE FUNCTION shared.touch_updated_at();

INSERT INTO settings (key, value) VALUES ('invoice.due_days', '14'), ('theme', '"light"');

---- notifications
CREATE TABLE notifications (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    read_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX notifications_unread ON notifications (user_id, created_at) WHERE read_at IS NULL;

---- time_entries
CREATE TABLE time_entries (
    id bigserial PRIMARY KEY,
    task_id bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    user_id bigint NOT NULL REFERENCES users (id),
    minutes integer NOT NULL,
    worked_on date NOT NULL DEFAULT current_date,
    billable boolean NOT NULL DEFAULT true,
    CONSTRAINT time_entries_minutes CHECK (minutes > 0)
);

CREATE INDEX time_entries_task ON time_entries (task_id);

CREATE INDEX time_entries_day ON time_entries (user_id, worked_on);

---- open_tasks
CREATE VIEW open_tasks AS
SELECT t.id, t.title, t.priority, p.name AS project, u.email AS assignee
FROM tasks t JOIN projects p ON p.id = t.project_id LEFT JOIN users u ON u.id = t.assignee_id
WHERE t.state <> 'done';

---- invoice_currency
ALTER TABLE invoices ADD COLUMN currency shared.currency;

UPDATE invoices SET currency = 'EUR' WHERE currency IS NULL;

ALTER TABLE invoices ALTER COLUMN currency SET NOT NULL;

ALTER TABLE invoices ALTER COLUMN currency SET DEFAULT 'EUR';

---- project_on_hold
ALTER TYPE project_status ADD VALUE 'on_hold' AFTER 'active';

COMMENT ON TYPE project_status IS 'where a project is';

---- revenue
CREATE VIEW revenue AS
SELECT c.id AS customer_id, c.name, count(i.id) AS invoices, coalesce(sum(p.amount_cents), 0) AS paid_cents
FROM customers c LEFT JOIN invoices i ON i.customer_id = c.id LEFT JOIN payments p ON p.invoice_id = i.id
GROUP BY c.id, c.name;

CREATE FUNCTION invoice_total(of_invoice bigint) RETURNS bigint LANGUAGE sql STABLE AS $fn$
SELECT coalesce(sum(quantity * unit_cents), 0)::bigint FROM invoice_lines WHERE invoice_id = of_invoice
$fn$;

---- products
CREATE TABLE products (
    id bigserial PRIMARY KEY,
    sku text NOT NULL,
    name text NOT NULL,
    price_cents bigint NOT NULL DEFAULT 0,
    attributes jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT products_sku UNIQUE (sku)
);

ALTER TABLE invoice_lines ADD COLUMN product_id bigint;

ALTER TABLE invoice_lines
ADD CONSTRAINT invoice_lines_product FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE SET NULL;

CREATE INDEX products_attributes ON products USING gin (attributes);

---- split_names
ALTER TABLE users ADD COLUMN first_name text, ADD COLUMN last_name text;

UPDATE users SET first_name = split_part(full_name, ' ', 1), last_name = split_part(full_name, ' ', 2)
WHERE full_name IS NOT NULL;

ALTER TABLE users DROP COLUMN full_name;

---- wider_columns
ALTER TABLE attachments ADD COLUMN comment_id bigint REFERENCES task_comments (id) ON DELETE CASCADE;

CREATE INDEX attachments_comment ON attachments (comment_id);

ALTER TABLE labels ALTER COLUMN color TYPE varchar(16);

ALTER TABLE time_entries ALTER COLUMN minutes TYPE bigint;

---- renames
ALTER TABLE webhooks RENAME COLUMN is_active TO enabled;

ALTER INDEX deliveries_webhook RENAME TO webhook_deliveries_webhook;

DROP INDEX users_last_login;

COMMENT ON TABLE webhooks IS 'outgoing webhooks';

---- events
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    data jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

CREATE TABLE events_rest PARTITION OF events DEFAULT;

CREATE INDEX events_kind ON events (kind, at);

---- search
ALTER TABLE tasks ADD COLUMN search tsvector
GENERATED ALWAYS AS (to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(body, ''))) STORED;

CREATE INDEX tasks_search ON tasks USING gin (search);

ALTER TABLE teams ADD COLUMN archived_at timestamptz;

ALTER TABLE customers
ADD CONSTRAINT customers_vat CHECK (vat_id IS NULL OR length(vat_id) >= 4) NOT VALID;

ALTER TABLE customers VALIDATE CONSTRAINT customers_vat;
