//! How Alembic reads its folders of revisions.
//!
//! Rules from alembic 1.20.1, `script/base.py` (`_load_revisions`, `Script._list_py_dir`, `Script._from_path`): every `.py` file
//! is a revision, except those that begin with `.#` or `__init__`; one without `revision` is an error, unless its name is
//! hexadecimal. Files are read by name, a folder before its subfolders. (1.8.0 reads them in the order of the file system, and no
//! subfolders.)

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use super::Alembic;
use super::environment::AlembicEnvironment;
use super::graph::RevisionGraph;
use super::revision_file::{RevisionFile, RevisionVariable, read};
use crate::formats::{Detection, Directory, DirectoryRules, FormatError, MigrationName, NewFile};
use crate::model::{Files, FilesError, Migration, RevisionLineage, RevisionNode, Script};

impl DirectoryRules for Alembic {
    fn name(&self) -> &'static str {
        "alembic"
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        if directory.alembic.is_some() {
            return Ok(Detection::Certain("the track has an Alembic environment".to_owned()));
        }
        let paths = directory.paths()?;
        let has_versions = paths.iter().any(|path| path.starts_with("versions"));
        let has_template = paths.iter().any(|path| path == "script.py.mako");
        if !(has_versions || has_template) || !paths.iter().any(|path| path == "env.py") {
            return Ok(Detection::No);
        }
        let text = directory.text("env.py")?;
        let names_context = text.contains("alembic") && text.contains("context");
        Ok(match names_context {
            true => Detection::Certain("its env.py uses Alembic's `context`".to_owned()),
            false => Detection::No,
        })
    }

    /// A file has a function for each direction.
    fn states_directions(&self) -> bool {
        true
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let layout = RevisionFolders::of(directory)?;
        let mut migrations = Vec::new();
        for path in layout.paths(directory.files)? {
            let order = migrations.len();
            migrations.extend(migration(directory.files, &path, order)?);
        }
        if migrations.is_empty() {
            let folders: Vec<_> = layout.folders.iter().map(|one| format!("`{one}`")).collect();
            return Err(FormatError::NoMigrations {
                path: directory.path.to_owned(),
                found: format!("there is no revision in {}", folders.join(", ")),
            });
        }
        Ok(in_order(migrations))
    }

    fn next_files(
        &self,
        directory: &Directory<'_>,
        _: &MigrationName,
        _: SystemTime,
    ) -> Result<Vec<NewFile>, FormatError> {
        Err(FormatError::Directory {
            path: directory.path.to_owned(),
            problem: "`mig-ci revision` does not create Alembic revisions: its template and env.py decide what is in them"
                .to_owned(),
            help: Some("run `alembic revision -m \"…\"`".to_owned()),
        })
    }
}

/// Where the revisions of a directory are.
struct RevisionFolders {
    folders: Vec<Utf8PathBuf>,
    recursive: bool,
    sourceless: bool,
}

impl RevisionFolders {
    fn of(directory: &Directory<'_>) -> Result<Self, FormatError> {
        Ok(match directory.alembic {
            Some(track) => {
                let environment = AlembicEnvironment::resolve(track, directory.files)?;
                Self {
                    folders: environment.version_folders,
                    recursive: environment.recursive,
                    sourceless: environment.sourceless,
                }
            }
            // A directory that was only detected has no ini file that says more.
            None => Self {
                folders: vec![directory.join("versions")],
                recursive: false,
                sourceless: false,
            },
        })
    }

    /// The files of revisions, in the order in which Alembic reads them. A file that two folders contain is read once.
    fn paths(&self, files: &dyn Files) -> Result<Vec<Utf8PathBuf>, FormatError> {
        let mut found: Vec<Utf8PathBuf> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for folder in &self.folders {
            let mut paths: Vec<Utf8PathBuf> =
                files.list(folder)?.into_iter().filter(|path| self.is_read(path, folder)).collect();
            paths.sort_by(|a, b| reading_order(a, folder).cmp(&reading_order(b, folder)));
            found.extend(paths.into_iter().filter(|path| seen.insert(path.clone())));
        }
        let compiled = found.iter().filter(|path| path.extension() != Some("py"));
        if let Some(path) =
            compiled.into_iter().find(|path| !seen.contains(&path.with_extension("py")))
        {
            return Err(FormatError::Computed {
                path: path.clone(),
                line: 1,
                variable: "revision",
            });
        }
        found.retain(|path| path.extension() == Some("py"));
        Ok(found)
    }

    fn is_read(&self, path: &Utf8Path, folder: &Utf8Path) -> bool {
        let relative = path.strip_prefix(folder).unwrap_or(path);
        let parent = relative.parent().unwrap_or(Utf8Path::new(""));
        if parent != "" && !self.recursive
            || parent.components().any(|part| part.as_str().ends_with("__pycache__"))
        {
            return false;
        }
        let name = path.file_name().unwrap_or_default();
        !name.starts_with(".#")
            && !name.starts_with("__init__")
            && (name.ends_with(".py")
                || self.sourceless && (name.ends_with(".pyc") || name.ends_with(".pyo")))
    }
}

/// A folder's files before those of its subfolders, which are in the order of their names.
fn reading_order<'p>(path: &'p Utf8Path, folder: &Utf8Path) -> (Vec<&'p str>, &'p str) {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    let parents =
        relative.parent().map(|parent| parent.components().map(|part| part.as_str()).collect());
    (parents.unwrap_or_default(), path.file_name().unwrap_or_default())
}

/// Reads one file.
fn migration(
    files: &dyn Files,
    path: &Utf8Path,
    order: usize,
) -> Result<Option<Migration>, FormatError> {
    let bytes = files.read(path)?.ok_or_else(|| FilesError {
        path: path.to_owned(),
        reason: "it no longer exists".to_owned(),
    })?;
    let text = crate::formats::directory::utf8(path, bytes)?;
    let (text, file) = read(&text);
    let file = file.as_ref().as_ref().map_err(|error| error.at(path))?;
    let revision = identifier(path, file)?;
    let Some(down) = &file.down_revisions else {
        return Err(FormatError::File {
            path: path.to_owned(),
            line: Some(revision.line),
            problem: "it has no variable `down_revision`".to_owned(),
            help: Some(
                "add `down_revision = None` to a first revision, else its parent's identifier"
                    .to_owned(),
            ),
        });
    };
    let node = RevisionNode {
        down_revisions: down.texts.clone(),
        depends_on: file.depends_on.clone(),
        branch_labels: file.branch_labels.clone(),
        line: down.line,
        revision_line: revision.line,
        depends_on_line: file.depends_on_line,
        order,
        is_empty: file.is_empty,
        lineage: RevisionLineage::default(),
    };
    let up = Script::python(path, text);
    Ok(Some(Migration {
        version: revision.texts.first().cloned().unwrap_or_default(),
        description: file.description.clone(),
        down: file.has_downgrade.then(|| up.clone()),
        up,
        // Alembic decides by `transaction_per_migration`, which env.py alone knows.
        in_transaction: true,
        down_in_transaction: true,
        checksum: None,
        node: Some(Arc::new(node)),
    }))
}

/// The revision that a file defines; the name of a file of Alembic 0.1 is its revision.
fn identifier(path: &Utf8Path, file: &RevisionFile) -> Result<RevisionVariable, FormatError> {
    if let Some(revision) = &file.revision {
        return Ok(revision.clone());
    }
    let name = path.file_name().unwrap_or_default();
    let stem = name.strip_suffix(".py").unwrap_or_default();
    let is_hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if !stem.is_empty() && stem.chars().all(is_hexadecimal) {
        return Ok(RevisionVariable { texts: vec![stem.to_owned()], line: 1 });
    }
    Err(FormatError::File {
        path: path.to_owned(),
        line: None,
        problem: format!("Could not determine revision id from filename {name}"),
        help: Some(
            "Alembic takes every .py file here for a revision: declare the variable `revision` in it, or move it to another \
             folder"
                .to_owned(),
        ),
    })
}

/// Puts migrations into the order of an upgrade from nothing, and gives them their followers. Where Alembic refuses the graph,
/// they stay in the order of the files.
fn in_order(migrations: Vec<Migration>) -> Vec<Migration> {
    let graph = RevisionGraph::new(&migrations);
    let texts = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let followers: BTreeMap<String, Vec<String>> =
        graph.followers().map(|(name, next)| (name.to_owned(), texts(next))).collect();
    let order: Vec<usize> = match graph.upgrade([]) {
        Ok(order) => order.into_iter().map(|revision| graph.index(revision)).collect(),
        Err(_) => Vec::new(),
    };
    let lineage = RevisionLineage::new(followers);
    let mut left: Vec<Option<Migration>> = migrations.into_iter().map(Some).collect();
    let mut sorted: Vec<Migration> =
        order.into_iter().filter_map(|index| left[index].take()).collect();
    // What the graph leaves out: files whose revision a later file has, too, and all files of a graph that is refused.
    sorted.splice(0..0, left.into_iter().flatten());
    for migration in &mut sorted {
        if let Some(node) = migration.node.as_mut() {
            Arc::make_mut(node).lineage = lineage.clone();
        }
    }
    sorted
}
