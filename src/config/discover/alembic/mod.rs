//! Discovers Alembic environments: `alembic.ini`, or `[tool.alembic]` in `pyproject.toml`.
//!
//! Each section with a `script_location` is a named database. `shared` (or `public`) and `tenant` (or `tenants`) are the two
//! tracks of one database. A section whose env.py reads a tenant's name is a database with tenants.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

mod inference;
mod ledger;
#[cfg(test)]
mod tests;

use super::schemas::{self, Schemas};
use super::{DEFAULT_NAME, FURTHER_PARENTS, NEAR_PARENTS, SECOND_NAME, sample_patterns};
use crate::config::alembic_problem::AlembicProblem;
use crate::config::error::ConfigErrors;
use crate::config::one_or_many::OneOrMany;
use crate::config::problem::ConfigProblem;
use crate::config::raw::{RawDatabase, RawShared, RawTenants};
use crate::config::raw_alembic::{RawAlembic, RawAlembicKeys};
use crate::formats::{
    AlembicEnvironment, EnvironmentReads, FormatError, alembic_sections, alembic_tool_table,
};
use crate::model::{AlembicTrack, Files, FilesError, Tenancy};

pub(super) const INI: &str = "alembic.ini";
const PYPROJECT: &str = "pyproject.toml";

/// What a `pyproject.toml` contains if Alembic is configured there.
const TOOL_ALEMBIC: &str = "[tool.alembic";

/// Alembic's default section, and the one that `[tool.alembic]` stands for.
const DEFAULT_SECTION: &str = "alembic";

/// Names of sections whose environment runs once for each tenant, the first one that exists.
const TENANT_SECTIONS: [&str; 2] = ["tenant", "tenants"];

/// Names of sections that run once before them. `public` is a database of its own without a section of tenants.
const SHARED_SECTIONS: [&str; 2] = ["shared", "public"];

/// Whether a folder on disk has Alembic's configuration.
pub(in crate::config) fn may_have_alembic(folder: &Utf8Path) -> bool {
    let in_pyproject = || {
        let text = std::fs::read_to_string(folder.join(PYPROJECT));
        text.is_ok_and(|text| text.contains(TOOL_ALEMBIC))
    };
    folder.join(INI).is_file() || in_pyproject()
}

/// The files in which discovery looks for Alembic's configuration.
pub(crate) fn alembic_files() -> impl Iterator<Item = Utf8PathBuf> {
    let folders = NEAR_PARENTS.into_iter().chain(FURTHER_PARENTS).map(Utf8Path::new);
    folders.flat_map(|folder| [folder.join(INI), folder.join(PYPROJECT)])
}

/// The databases of the first folder that has Alembic's configuration.
pub(super) struct AlembicLayout {
    /// The file that describes them.
    pub(super) file: Utf8PathBuf,
    /// Folders whose files belong to Alembic, whatever their names are.
    pub(super) folders: Vec<Utf8PathBuf>,
    pub(super) databases: IndexMap<String, RawDatabase>,
}

/// One section, read.
struct FoundSection {
    name: String,
    keys: RawAlembic,
    /// The options of the section in the ini file.
    options: IndexMap<String, String>,
    environment: AlembicEnvironment,
    reads: EnvironmentReads,
}

/// The environments of the project; `None` if it has none.
pub(super) fn look(files: &dyn Files) -> Result<Option<AlembicLayout>, ConfigErrors> {
    for folder in NEAR_PARENTS.into_iter().chain(FURTHER_PARENTS).map(Utf8Path::new) {
        let found = sections_of(files, folder)?;
        let Some(first) = found.first() else { continue };
        let file = first.keys.ini.as_ref().or(first.keys.pyproject.as_ref());
        let folders = found.iter().flat_map(|section| {
            let environment = &section.environment;
            environment.version_folders.iter().chain([&environment.script_folder]).cloned()
        });
        return Ok(Some(AlembicLayout {
            file: file.map(Utf8PathBuf::from).unwrap_or_default(),
            folders: folders.collect(),
            databases: databases(files, &found)?,
        }));
    }
    Ok(None)
}

fn sections_of(files: &dyn Files, folder: &Utf8Path) -> Result<Vec<FoundSection>, ConfigErrors> {
    let (ini, pyproject) = (folder.join(INI), folder.join(PYPROJECT));
    let read = |path: &Utf8Path| files.read(path).map_err(ConfigProblem::Unreadable);
    let has_ini = read(&ini)?.is_some();
    // A file without the table is not Alembic's, and need not be valid for it.
    let text = read(&pyproject)?.unwrap_or_default();
    let table = match String::from_utf8_lossy(&text).contains(TOOL_ALEMBIC) {
        true => alembic_tool_table(files, &pyproject).map_err(unusable)?,
        false => None,
    };
    let mut named: Vec<(String, IndexMap<String, String>)> = Vec::new();
    for section in alembic_sections(files, &ini).map_err(unusable)? {
        named.push((section.name, section.options));
    }
    // The ini file beside a `[tool.alembic]` has the address and the logging only.
    if named.is_empty() && table.as_ref().is_some_and(|table| table.contains_key("script_location"))
    {
        named.push((DEFAULT_SECTION.to_owned(), IndexMap::new()));
    }
    if named.is_empty() && has_ini {
        return Err(ConfigProblem::from(AlembicProblem::NoScriptLocation { ini }).into());
    }
    let section = |(name, options): (String, IndexMap<String, String>)| {
        let keys = RawAlembic {
            ini: has_ini.then(|| ini.to_string()),
            pyproject: table.is_some().then(|| pyproject.to_string()),
            section: has_ini.then(|| name.clone()),
            ..RawAlembic::default()
        };
        let track = AlembicTrack {
            ini: has_ini.then(|| ini.clone()),
            pyproject: table.is_some().then(|| pyproject.clone()),
            section: name.clone(),
            folder: folder.to_owned(),
            ..AlembicTrack::default()
        };
        let environment = AlembicEnvironment::resolve(&track, files)?;
        let reads = EnvironmentReads::of(&environment, &track, files)?;
        Ok(FoundSection { name, keys, options, environment, reads })
    };
    let found: Result<Vec<_>, FormatError> = named.into_iter().map(section).collect();
    Ok(found.map_err(unusable)?)
}

fn unusable(source: FormatError) -> ConfigProblem {
    AlembicProblem::Discovered { source }.into()
}

fn databases(
    files: &dyn Files,
    sections: &[FoundSection],
) -> Result<IndexMap<String, RawDatabase>, ConfigErrors> {
    let named = |name: &str| sections.iter().find(|section| section.name == name);
    let tenant = TENANT_SECTIONS.into_iter().find_map(named);
    let shared = tenant.and_then(|_| SHARED_SECTIONS.into_iter().find_map(named));
    let mut databases = IndexMap::new();
    if let Some(tenant) = tenant {
        let name = if named(DEFAULT_NAME).is_some() { SECOND_NAME } else { DEFAULT_NAME };
        let mut database = with_tenants(files, name, shared, tenant)?;
        let why = match shared {
            Some(shared) => format!(
                "[{}] and [{}] of {} are the tracks of one database, which gets the name `{name}`",
                shared.name,
                tenant.name,
                file_of(tenant)
            ),
            None => format!(
                "[{}] of {} is the track of the tenants, and the database gets the name `{name}`",
                tenant.name,
                file_of(tenant)
            ),
        };
        state(&mut database, why);
        databases.insert(name.to_owned(), database);
    }
    let in_pair = |section: &FoundSection| {
        [tenant, shared].into_iter().flatten().any(|part| part.name == section.name)
    };
    let is_only = sections.len() == 1;
    for section in sections.iter().filter(|section| !in_pair(section)) {
        let is_default = is_only && section.name == DEFAULT_SECTION;
        let name = if is_default { DEFAULT_NAME } else { section.name.as_str() };
        let mut database = match inference::tenancy(&section.reads) {
            Some(_) => with_tenants(files, name, None, section)?,
            None => plain(files, section)?,
        };
        if is_default {
            let file = file_of(section);
            state(&mut database, format!("{file} names no database, which gets the name `{name}`"));
        }
        databases.insert(name.to_owned(), database);
    }
    Ok(databases)
}

fn file_of(section: &FoundSection) -> &str {
    section.keys.ini.as_deref().or(section.keys.pyproject.as_deref()).unwrap_or(INI)
}

/// Adds a sentence to the first track.
fn state(database: &mut RawDatabase, sentence: String) {
    let shared = database.shared.as_mut().map(|track| &mut track.alembic_keys);
    let tenants = database.tenants.as_mut().map(|track| &mut track.alembic_keys);
    let keys = shared.or(tenants).unwrap_or(&mut database.alembic_keys);
    keys.inferred.insert(0, sentence);
}

/// The keys of a track, and the sentences that say from what they were derived.
fn keys(section: &FoundSection, is_tenants: bool) -> RawAlembicKeys {
    let settings = inference::settings(&section.reads, &section.options, is_tenants);
    RawAlembicKeys {
        alembic: Some(section.keys.clone()),
        env: settings.env,
        args: settings.args,
        options: settings.options,
        inferred: settings.reasons,
        ..RawAlembicKeys::default()
    }
}

fn plain(files: &dyn Files, section: &FoundSection) -> Result<RawDatabase, ConfigErrors> {
    let ledger = ledger::literal_names(files, &section.environment).map_err(unreadable)?;
    Ok(RawDatabase {
        alembic_keys: keys(section, false),
        ledger: ledger.shared(),
        ..RawDatabase::default()
    })
}

fn unreadable(error: FilesError) -> ConfigProblem {
    ConfigProblem::Unreadable(error)
}

fn with_tenants(
    files: &dyn Files,
    name: &str,
    shared: Option<&FoundSection>,
    tenant: &FoundSection,
) -> Result<RawDatabase, ConfigErrors> {
    let tenancy = inference::tenancy(&tenant.reads);
    let mut tenant_keys = keys(tenant, true);
    tenant_keys.inferred.push(match tenancy {
        Some(tenancy) => format!(
            "env.py of [{}] is told the tenant: there is a {tenancy} for each tenant, with the tenant's name",
            tenant.name
        ),
        None => format!(
            "env.py of [{}] reads no variable or argument that names a tenant: a schema for each tenant is assumed, \
             and the migrations cannot find it: let env.py read one",
            tenant.name
        ),
    });
    let tenancy = tenancy.unwrap_or_default();
    let schemas = match shared {
        Some(shared) => {
            let folders = |section: &FoundSection| section.environment.version_folders.clone();
            schemas::look_in_python(files, &folders(shared), &folders(tenant))
                .map_err(unreadable)?
        }
        None => Schemas::default(),
    };
    let of_shared = match shared {
        Some(shared) => {
            let ledger = ledger::literal_names(files, &shared.environment).map_err(unreadable)?;
            Some(RawShared {
                alembic_keys: keys(shared, false),
                schema: schemas.own.clone(),
                ledger: ledger.shared(),
                ..RawShared::default()
            })
        }
        None => None,
    };
    let ledger = ledger::literal_names(files, &tenant.environment).map_err(unreadable)?;
    let samples = sample_patterns(files, name)?;
    let search_path = schemas.search_path().filter(|_| tenancy == Tenancy::Schema);
    Ok(RawDatabase {
        shared: of_shared,
        tenants: Some(RawTenants {
            alembic_keys: tenant_keys,
            tenancy: Some(tenancy.to_string()),
            ledger: ledger.tenants(),
            search_path,
            samples: (!samples.is_empty()).then_some(OneOrMany::Many(samples)),
            ..RawTenants::default()
        }),
        ..RawDatabase::default()
    })
}
