-- One trigger function for shared and tenant tables alike.
CREATE FUNCTION shared.touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;

ALTER TABLE shared.plans ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

CREATE TRIGGER plans_touch_updated_at
    BEFORE UPDATE ON shared.plans
    FOR EACH ROW EXECUTE FUNCTION shared.touch_updated_at();
