//! Discovers a project without `mig-ci.toml` from its folders. Returns what the file would contain.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::alembic_problem::AlembicProblem;
use super::error::ConfigErrors;
use super::key::quoted;
use super::one_or_many::OneOrMany;
use super::problem::ConfigProblem;
use super::raw::{RawConfig, RawDatabase, RawShared, RawTenants};
use crate::model::Files;

mod alembic;
mod other_files;
mod schemas;

pub(crate) use alembic::alembic_files;
pub(super) use alembic::may_have_alembic;
use alembic::{AlembicLayout, INI};
use other_files::OtherFiles;
use schemas::Schemas;

/// The folders that are searched for a folder `migrations`: the root, as in most tools, and dbmate's.
pub(super) const NEAR_PARENTS: [&str; 2] = ["", "db"];

/// Further folders that are searched: common locations in projects with several parts.
pub(super) const FURTHER_PARENTS: [&str; 9] = [
    "sql",
    "database",
    "backend",
    "server",
    "internal",
    "internal/db",
    "internal/database",
    "backend/db",
    "server/db",
];

/// The folders in the message if nothing was found.
const LOOKED_FOR: &[&str] = &[
    "`.sql` files in a folder `migrations`, at the top or in `db`, `sql`, `database`, `backend`, `server`, `internal`, \
     or a `db` in one of the last three",
    "`shared` and `tenant` folders there, or instead of `migrations`",
    "a folder for each database in `migrations`",
    "an `alembic.ini`, or `[tool.alembic]` in a `pyproject.toml`, in these folders",
];

/// The folder that most tools use.
const MIGRATIONS: &str = "migrations";

/// The name of a database if nothing else names it.
const DEFAULT_NAME: &str = "app";

/// The same if a migration folder already has that name.
const SECOND_NAME: &str = "tenants";

/// The tenant track's folder.
const TENANT: &str = "tenant";

/// The shared track's folder next to it.
const SHARED: &str = "shared";

/// The folder of samples, for all tenants or with a folder for each database.
const SAMPLES: &str = "samples";

/// The only SQL files of a folder that is a single migration (Diesel, Prisma), and therefore not a database.
const FOLDER_PER_MIGRATION: [&str; 3] = ["up.sql", "down.sql", "migration.sql"];

/// Whether a folder on disk may contain migrations.
pub(super) fn may_have_migrations(parent: &Utf8Path) -> bool {
    let has = |name: &str| parent.join(name).is_dir();
    has(MIGRATIONS) || (has(SHARED) && has(TENANT))
}

/// The contents of a `mig-ci.toml` for the project. The first parent folder with migrations is used.
///
/// # Errors
/// If no layout is recognised, or two at once: Alembic's environments and SQL migrations beside them may belong to one database
/// or to two, and one of them may be a remainder.
pub(super) fn discover(files: &dyn Files, root: &Utf8Path) -> Result<RawConfig, ConfigErrors> {
    let alembic = alembic::look(files)?;
    let folders = alembic.as_ref().map(|layout| layout.folders.as_slice()).unwrap_or_default();
    let sql = sql_databases(&OtherFiles { files, without: folders })?;
    let databases = match (alembic, sql) {
        (Some(alembic), None) => alembic.databases,
        (None, Some(sql)) => sql,
        (Some(alembic), Some(sql)) => return Err(two_tools(&alembic, &sql).into()),
        (None, None) => {
            let looked_for = LOOKED_FOR;
            let problem = ConfigProblem::NothingRecognised { root: root.to_owned(), looked_for };
            return Err(problem.into());
        }
    };
    Ok(RawConfig { databases, ..RawConfig::default() })
}

/// The databases of SQL migrations.
fn sql_databases(files: &dyn Files) -> Result<Option<IndexMap<String, RawDatabase>>, ConfigErrors> {
    for parent in NEAR_PARENTS.into_iter().chain(FURTHER_PARENTS).map(Utf8Path::new) {
        let folder = &parent.join(MIGRATIONS);
        let layout = Layout::of(folder, &files.list(folder).map_err(ConfigProblem::Unreadable)?);
        let mut databases = databases(files, folder, &layout)?;
        if databases.is_empty() {
            databases.extend(pair(files, parent)?);
        }
        if !databases.is_empty() {
            return Ok(Some(databases));
        }
    }
    Ok(None)
}

fn two_tools(alembic: &AlembicLayout, sql: &IndexMap<String, RawDatabase>) -> ConfigProblem {
    let of_database = |database: &RawDatabase| {
        let shared = database.shared.as_ref().and_then(|track| track.migrations.clone());
        let tenants = database.tenants.as_ref().and_then(|track| track.migrations.clone());
        [database.migrations.clone(), shared, tenants].into_iter().flatten().collect::<Vec<_>>()
    };
    let folders: Vec<String> = sql.values().flat_map(of_database).collect();
    let keys = alembic.databases.iter().flat_map(|(name, database)| {
        let shared = database.shared.as_ref().map(|track| (".shared", &track.alembic_keys));
        let tenants = database.tenants.as_ref().map(|track| (".tenants", &track.alembic_keys));
        let tracks = [Some(("", &database.alembic_keys)), shared, tenants].into_iter().flatten();
        let tracks = tracks.filter_map(|(table, keys)| Some((table, keys.alembic.as_ref()?)));
        tracks.map(move |(table, alembic)| {
            let section =
                alembic.section.as_ref().map(|section| format!(", section = \"{section}\""));
            let (key, file) = match &alembic.ini {
                Some(ini) => ("ini", ini.as_str()),
                None => ("pyproject", alembic.pyproject.as_deref().unwrap_or(INI)),
            };
            format!(
                "`[databases.{}{table}]` with `alembic = {{ {key} = \"{file}\"{} }}`",
                quoted(name),
                section.unwrap_or_default()
            )
        })
    });
    let sql_key =
        folders.first().map(|folder| format!("`[databases.sql]` with `migrations = \"{folder}\"`"));
    AlembicProblem::TwoTools {
        ini: alembic.file.clone(),
        sql: folders.join(", "),
        instead: keys.chain(sql_key).collect::<Vec<_>>().join(", "),
    }
    .into()
}

/// The contents of a migration folder.
struct Layout {
    /// It directly contains SQL files.
    direct: bool,
    /// The folders with SQL files at any depth, except those that are a single migration.
    folders: Vec<String>,
    /// Some folder is a single migration.
    folder_per_migration: bool,
}

impl Layout {
    fn of(folder: &Utf8Path, listed: &[Utf8PathBuf]) -> Self {
        let mut direct = false;
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in listed.iter().filter(|path| path.extension() == Some("sql")) {
            let Ok(path) = path.strip_prefix(folder) else { continue };
            match path.as_str().split_once('/') {
                None => direct = true,
                Some((name, rest)) => names.entry(name).or_default().push(rest),
            }
        }
        let is_migration =
            |files: &[&str]| files.iter().all(|file| FOLDER_PER_MIGRATION.contains(file));
        let folder_per_migration = names.values().any(|files| is_migration(files));
        names.retain(|_, files| !is_migration(files));
        let folders = names.into_keys().map(str::to_owned).collect();
        Self { direct, folders, folder_per_migration }
    }

    fn has(&self, name: &str) -> bool {
        self.folders.iter().any(|folder| folder == name)
    }
}

/// `None` if the layout is not recognised.
fn databases(
    files: &dyn Files,
    folder: &Utf8Path,
    layout: &Layout,
) -> Result<IndexMap<String, RawDatabase>, ConfigErrors> {
    let mut databases = IndexMap::new();
    if layout.has(TENANT) {
        let shared = match (layout.direct, layout.has(SHARED)) {
            (true, true) => {
                return Err(ConfigProblem::TwoSharedFolders { folder: folder.to_owned() }.into());
            }
            (true, false) => Some(folder.to_owned()),
            (false, true) => Some(folder.join(SHARED)),
            (false, false) => None,
        };
        let name = if layout.has(DEFAULT_NAME) { SECOND_NAME } else { DEFAULT_NAME };
        let database = with_tenants(files, name, shared, &folder.join(TENANT))?;
        databases.insert(name.to_owned(), database);
    } else if layout.direct || layout.folder_per_migration {
        databases.insert(DEFAULT_NAME.to_owned(), plain(folder));
        return Ok(databases);
    }
    let taken = if layout.has(TENANT) { [TENANT, SHARED].as_slice() } else { &[] };
    for name in layout.folders.iter().filter(|name| !taken.contains(&name.as_str())) {
        databases.insert(name.clone(), plain(&folder.join(name)));
    }
    Ok(databases)
}

/// `db/shared` and `db/tenant`. Nothing else there is read as migrations, nor listed; at the root both names are ambiguous.
fn pair(
    files: &dyn Files,
    parent: &Utf8Path,
) -> Result<Option<(String, RawDatabase)>, ConfigErrors> {
    let (shared, tenant) = (parent.join(SHARED), parent.join(TENANT));
    if parent == "" || !has_sql(files, &shared)? || !has_sql(files, &tenant)? {
        return Ok(None);
    }
    let database = with_tenants(files, DEFAULT_NAME, Some(shared), &tenant)?;
    Ok(Some((DEFAULT_NAME.to_owned(), database)))
}

fn has_sql(files: &dyn Files, folder: &Utf8Path) -> Result<bool, ConfigErrors> {
    let listed = files.list(folder).map_err(ConfigProblem::Unreadable)?;
    Ok(listed.iter().any(|path| path.extension() == Some("sql")))
}

fn plain(migrations: &Utf8Path) -> RawDatabase {
    RawDatabase { migrations: Some(migrations.to_string()), ..RawDatabase::default() }
}

/// One schema per tenant, as in the guides of all tools.
fn with_tenants(
    files: &dyn Files,
    name: &str,
    shared: Option<Utf8PathBuf>,
    tenant: &Utf8Path,
) -> Result<RawDatabase, ConfigErrors> {
    let schemas = match &shared {
        Some(shared) => schemas::look(files, shared, tenant).map_err(ConfigProblem::Unreadable)?,
        None => Schemas::default(),
    };
    let search_path = schemas.search_path();
    let samples = sample_patterns(files, name)?;
    Ok(RawDatabase {
        shared: shared.map(|migrations| RawShared {
            migrations: Some(migrations.into_string()),
            schema: schemas.own,
            ..RawShared::default()
        }),
        tenants: Some(RawTenants {
            migrations: Some(tenant.to_string()),
            target: Some("tenant_{tenant}".to_owned()),
            search_path,
            samples: (!samples.is_empty()).then_some(OneOrMany::Many(samples)),
            ..RawTenants::default()
        }),
        ..RawDatabase::default()
    })
}

/// Patterns that each match something: `samples/*.sql`, `samples/app/*.sql.gz`.
fn sample_patterns(files: &dyn Files, database: &str) -> Result<Vec<String>, ConfigErrors> {
    let top = Utf8Path::new(SAMPLES);
    let listed = files.list(top).map_err(ConfigProblem::Unreadable)?;
    let mut patterns = Vec::new();
    for folder in [top.to_owned(), top.join(database)] {
        for ending in [".sql", ".sql.gz"] {
            let fits = |path: &Utf8PathBuf| {
                path.parent() == Some(&folder) && path.as_str().ends_with(ending)
            };
            if listed.iter().any(fits) {
                patterns.push(format!("{folder}/*{ending}"));
            }
        }
    }
    Ok(patterns)
}

#[cfg(test)]
mod tests;
