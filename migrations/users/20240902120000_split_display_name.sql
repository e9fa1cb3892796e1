-- Letters are addressed by family name. The last word is the best guess there is; people can correct it.
ALTER TABLE accounts
    ADD COLUMN given_name  text,
    ADD COLUMN family_name text;

UPDATE accounts
SET given_name  = nullif(regexp_replace(trim(display_name), '\s*\S+$', ''), ''),
    family_name = substring(trim(display_name) FROM '\S+$');

-- A name of blanks alone has no last word.
UPDATE accounts SET family_name = email WHERE family_name IS NULL;

ALTER TABLE accounts ALTER COLUMN family_name SET NOT NULL;
