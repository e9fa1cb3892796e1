//! The existing schemas and ledgers of some targets, read in one query: their own ledgers, and ledgers of any known tool
//! that contradict these.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;

use super::ledger_state::{LedgerState, read};
use crate::formats::{
    Format, LEDGER_COLUMNS, TOOL_SCHEMAS, ledger_names, ledger_owner, ledger_shape,
};
use crate::model::{Failure, FailureKind};
use crate::postgres::Session;
use crate::sql::{quote_identifier, quote_literal};
use crate::upgrade::target::Target;

#[derive(Default)]
pub(crate) struct ExistingLedgers {
    schemas: BTreeSet<String>,
    /// By schema and table.
    ledgers: BTreeMap<(String, String), FoundTable>,
    /// The schemas of the connection's default search path.
    own_path: Vec<String>,
    /// The source of that search path, as in `pg_settings`.
    path_source: String,
}

/// A table that may be a ledger.
struct FoundTable {
    /// `pg_class.relkind`.
    kind: String,
    columns: Vec<String>,
    /// Row-level security silently hides rows from this role.
    is_filtered: bool,
}

impl ExistingLedgers {
    pub(crate) async fn read(session: &mut Session, targets: &[Target]) -> Result<Self, Failure> {
        let mut existing = Self::default();
        for row in session.query(&query(targets)).await? {
            let (schema, ledger, kind): (String, Option<String>, Option<String>) =
                read(&row, |row| {
                    Ok((row.try_get("schema")?, row.try_get("ledger")?, row.try_get("kind")?))
                })?;
            let columns: Option<Vec<String>> = read(&row, |row| row.try_get("columns"))?;
            let is_filtered: Option<bool> = read(&row, |row| row.try_get("is_filtered"))?;
            existing.own_path = read(&row, |row| row.try_get("own_path"))?;
            existing.path_source = read(&row, |row| row.try_get("path_source"))?;
            let found = ledger.zip(kind).map(|(ledger, kind)| {
                let table = FoundTable {
                    kind,
                    columns: columns.unwrap_or_default(),
                    is_filtered: is_filtered.unwrap_or_default(),
                };
                ((schema.clone(), ledger), table)
            });
            existing.ledgers.extend(found);
            existing.schemas.insert(schema);
        }
        Ok(existing)
    }

    fn has_schema(&self, target: &Target) -> bool {
        self.schemas.contains(&target.search_path[0])
    }

    fn own_ledger(&self, target: &Target) -> Option<&FoundTable> {
        self.ledgers.get(&(target.ledger.schema.clone(), target.ledger.table.clone()))
    }

    fn kind_of_ledger(&self, target: &Target) -> Option<&str> {
        self.own_ledger(target).map(|table| table.kind.as_str())
    }

    pub(crate) fn has_ledger(&self, target: &Target) -> bool {
        matches!(self.kind_of_ledger(target), Some("r" | "p"))
    }

    /// The state of a target that has no ledger table.
    pub(crate) fn without_ledger(&self, target: &Target) -> LedgerState {
        let what = match self.kind_of_ledger(target) {
            Some("v") => "a view",
            Some("m") => "a materialized view",
            Some("f") => "a foreign table",
            _ if self.has_schema(target) => return LedgerState::New,
            _ => return LedgerState::Absent,
        };
        let name = target.ledger.qualified();
        let failure =
            Failure::new(FailureKind::Ledger, format!("the ledger {name} is {what}, not a table"));
        LedgerState::Unreadable(Box::new(Failure {
            hint: Some(
                "a view can contain another tenant's rows, and may write them to another table: rename it, or set another \
                 name in `ledger`"
                    .to_owned(),
            ),
            ..failure
        }))
    }

    /// Why the configured ledger may not be the one that shows the target's applied migrations.
    pub(crate) fn contradiction(&self, format: &dyn Format, target: &Target) -> Option<Failure> {
        let own = self.own_ledger(target).and_then(|own| ledger_shape(&own.columns));
        if let Some(tool) = own.filter(|tool| *tool != format.name()) {
            let message = format!(
                "the ledger {} has the columns of {tool}, but the format is {}",
                target.ledger.qualified(),
                format.name()
            );
            let hint = "set `format` to the tool that applied the migrations, or `ledger` to the name of its table";
            return Some(refused(message, hint.to_owned()));
        }
        self.other_ledger(format, target)
            .or_else(|| self.other_path(target))
            .or_else(|| self.filtered(target))
            .or_else(|| if self.has_ledger(target) { None } else { self.elsewhere(format, target) })
    }

    /// A ledger whose rows are partly hidden from this role: hidden migrations would be applied again.
    fn filtered(&self, target: &Target) -> Option<Failure> {
        self.own_ledger(target).filter(|own| own.is_filtered)?;
        let message = format!(
            "row-level security may hide rows of the ledger {} from this role: their migrations would be applied again",
            target.ledger.qualified()
        );
        let hint = "connect as the table's owner (without FORCE ROW LEVEL SECURITY) or as a role with BYPASSRLS, or create \
                    a policy `FOR SELECT USING (true)` for the role";
        Some(refused(message, hint.to_owned()))
    }

    /// A ledger of the same tool in a schema outside of the search paths of target and connection, while the target's own
    /// has no rows. Tools can keep their ledger in another schema than their migrations.
    pub(crate) fn elsewhere(&self, format: &dyn Format, target: &Target) -> Option<Failure> {
        if !target.owns_connection {
            return None;
        }
        let seen = self.seen(target);
        let own = &target.ledger.table;
        let found = self.ledgers.iter().filter_map(|((schema, table), found)| {
            let is_same_tool = table == own || ledger_shape(&found.columns) == Some(format.name());
            let is_explained = seen.contains(schema)
                || target.other_ledgers.has(schema, table)
                || target.other_ledgers.is_of_project(schema, table);
            (is_same_tool && !is_explained).then_some((&**schema, &**table, format.name()))
        });
        other_ledgers_failure(&found.collect::<Vec<_>>(), target)
    }

    /// The schemas in which another ledger contradicts the target's own.
    fn seen<'s>(&'s self, target: &'s Target) -> BTreeSet<&'s String> {
        let seen = target.search_path.iter().chain([&target.ledger.schema]).chain(&self.own_path);
        let of_tools = self.schemas.iter().filter(|name| TOOL_SCHEMAS.contains(&name.as_str()));
        seen.chain(of_tools).collect()
    }

    fn other_ledger(&self, format: &dyn Format, target: &Target) -> Option<Failure> {
        let own = (&target.ledger.schema, &target.ledger.table);
        let found = self.seen(target).into_iter().flat_map(|schema| {
            let first = (schema.clone(), String::new());
            let of_schema =
                self.ledgers.range(first..).take_while(move |((of, _), _)| of == schema);
            of_schema.map(|((schema, table), found)| (schema, table, found)).filter_map(
                move |(schema, table, found)| {
                    let is_expected =
                        (schema, table) == own || target.other_ledgers.has(schema, table);
                    let same = (table == own.1).then(|| format.name());
                    let tool = ledger_owner(schema, table, &found.columns).or(same)?;
                    (!is_expected).then_some((&**schema, &**table, tool))
                },
            )
        });
        other_ledgers_failure(&found.collect::<Vec<_>>(), target)
    }

    /// Settings of the role, the database or the environment may lead the tool to another schema.
    fn other_path(&self, target: &Target) -> Option<Failure> {
        let whose = match self.path_source.as_str() {
            "database" => "the database's settings (ALTER DATABASE … SET search_path)",
            "user" => "the role's settings (ALTER ROLE … SET search_path)",
            "database user" => {
                "the role's settings in this database (ALTER ROLE … IN DATABASE … SET search_path)"
            }
            "client" => "the connection's options",
            "global" => "the settings of all roles (ALTER ROLE ALL SET search_path)",
            "configuration file" => "the server's configuration (search_path in postgresql.conf)",
            "command line" => "the server's command line",
            _ => return None,
        };
        let (first, configured) = (self.own_path.first()?, &target.search_path[0]);
        if !target.owns_connection || first == configured {
            return None;
        }
        let message = format!(
            "because of {whose}, migrations run in the schema \"{first}\", but the configuration sets \"{configured}\""
        );
        let hint = format!(
            "set `schema = {}` and `search_path` if the migrations belong there, or remove the setting",
            toml::Value::String(first.clone())
        );
        Some(refused(message, hint))
    }
}

/// A failure for ledgers (schema, table and tool) that contradict a target's own: it names the first, and its hint allows
/// all.
fn other_ledgers_failure(found: &[(&str, &str, &str)], target: &Target) -> Option<Failure> {
    let (schema, table, tool) = found.first()?;
    let name = format!("{}.{}", quote_identifier(schema), quote_identifier(table));
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let message = format!(
        "the database contains {name}, a ledger of {tool}{more}, in addition to this track's ledger {}: it may contain \
         applied migrations that would be applied again",
        target.ledger.qualified()
    );
    let names = found.iter().map(|(schema, table, _)| {
        // The name alone would allow a ledger of the target's own tool in every schema.
        let is_plain = *table != target.ledger.table && !TOOL_SCHEMAS.contains(schema);
        let name = if is_plain { (*table).to_owned() } else { format!("{schema}.{table}") };
        toml::Value::String(name).to_string()
    });
    let hint = format!(
        "if it is the ledger of these migrations, set `format`, `ledger` or `schema` accordingly; if it belongs to another \
         product, add to [databases.{}]:\nother-ledgers = [{}]",
        toml_key(&target.database),
        names.collect::<Vec<_>>().join(", ")
    );
    Some(refused(message, hint))
}

fn refused(message: String, hint: String) -> Failure {
    Failure { hint: Some(hint), ..Failure::new(FailureKind::Refused, message) }
}

/// A database's name as a part of a TOML table header.
fn toml_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    toml::Value::String(name.to_owned()).to_string()
}

/// The query for the schemas that targets, the connection and migration tools use, and the tables in them that are or may be
/// ledgers. For a target that has the database to itself, such tables in all schemas.
fn query(targets: &[Target]) -> String {
    let schemas: BTreeSet<&str> = targets
        .iter()
        .flat_map(|target| target.search_path.iter().chain([&target.ledger.schema]))
        .map(String::as_str)
        .chain(TOOL_SCHEMAS.iter().copied())
        .collect();
    let mut tables: BTreeSet<&str> = ledger_names().collect();
    tables.extend(targets.iter().map(|target| target.ledger.table.as_str()));
    // For many schemas one pass over the tables is faster than the index, which the planner prefers for any number.
    let owns_all = targets.iter().any(|target| target.owns_connection);
    let of_schema = match owns_all || schemas.len() > ONE_PASS_FROM {
        true => "pg_catalog.int8(c.relnamespace) = pg_catalog.int8(n.oid)",
        false => "c.relnamespace = n.oid",
    };
    let in_others = if owns_all { "OR (c.oid IS NOT NULL AND n.nspname !~ '^pg_')" } else { "" };
    format!(
        "SELECT n.nspname::text AS schema, c.relname::text AS ledger, c.relkind::text AS kind, \
         (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a \
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns, \
         {FILTERED} AS is_filtered, \
         pg_catalog.current_schemas(false)::text[] AS own_path, \
         (SELECT s.source FROM pg_catalog.pg_settings AS s WHERE s.name = 'search_path') AS path_source \
         FROM pg_catalog.pg_namespace AS n \
         LEFT JOIN pg_catalog.pg_class AS c ON {of_schema} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
         AND (c.relname IN ({0}) OR pg_catalog.lower(c.relname) IN ({0}) OR (c.relnatts BETWEEN 1 AND {MOST_COLUMNS} \
          AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname IN ({1})))) \
         WHERE n.nspname IN ({2}) OR n.nspname = ANY (pg_catalog.current_schemas(false)) {in_others}",
        list(tables),
        list(LEDGER_COLUMNS.iter().copied().collect()),
        list(schemas),
    )
}

/// The number of schemas from which one pass is used. With 1,000 tenants of 11 tables each, the index takes 3 ms for a
/// schema, and one pass 140 ms.
const ONE_PASS_FROM: usize = 40;

/// Liquibase's ledger has 14 columns; dropped columns count, too.
const MOST_COLUMNS: usize = 24;

/// Whether row-level security applies to this role without a policy that shows all rows. Source: CREATE POLICY, "Policies
/// Applied by Command Type": one applicable permissive policy is sufficient, and each restrictive one must be met.
const FILTERED: &str = "(pg_catalog.row_security_active(c.oid) AND NOT (EXISTS (SELECT FROM pg_catalog.pg_policy AS p \
     WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('*', 'r') \
     AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true' \
     AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS r (oid) \
          WHERE pg_catalog.pg_has_role(r.oid, 'USAGE')))) \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid AND NOT p.polpermissive)))";

fn list(names: BTreeSet<&str>) -> String {
    names.into_iter().map(quote_literal).collect::<Vec<_>>().join(", ")
}
