//! Finds the project's Python.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::DriverError;

/// An interpreter, and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub(crate) path: PathBuf,
    /// "configured", "VIRTUAL_ENV" …
    pub(crate) source: &'static str,
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.source)
    }
}

/// Where an interpreter is searched for.
pub(crate) struct InterpreterSearch<'a> {
    /// As configured: a name in PATH, or a path relative to `root`.
    pub(crate) configured: Option<&'a str>,
    /// The project's root; absolute.
    pub(crate) root: &'a Path,
    /// The working folder of the migrations; absolute.
    pub(crate) folder: &'a Path,
    /// A variable of mig-ci's own environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Tools that know the environment of a project: their lock file, and a command that prints the interpreter.
const MANAGERS: [(&str, &str, &[&str]); 3] = [
    ("uv.lock", "uv", &["python", "find", "--offline"]),
    ("poetry.lock", "poetry", &["env", "info", "--executable"]),
    ("pdm.lock", "pdm", &["info", "--python"]),
];

impl InterpreterSearch<'_> {
    /// The first of: the configured one, VIRTUAL_ENV, CONDA_PREFIX, `.venv` or `venv` in the working folder or the root, the
    /// environment that uv, Poetry or PDM reports, `python3` and `python` in PATH.
    pub(crate) fn find(&self) -> Result<Interpreter, DriverError> {
        if let Some(configured) = self.configured {
            return self.configured(configured);
        }
        for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
            let Some(prefix) = (self.variable)(name).filter(|prefix| !prefix.is_empty()) else {
                continue;
            };
            if let Some(path) = in_environment(Path::new(&prefix)) {
                let source = if name == "VIRTUAL_ENV" { "VIRTUAL_ENV" } else { "CONDA_PREFIX" };
                return Ok(Interpreter { path, source });
            }
        }
        for folder in [self.folder, self.root] {
            for (name, source) in [(".venv", ".venv"), ("venv", "venv")] {
                if let Some(path) = in_environment(&folder.join(name)) {
                    return Ok(Interpreter { path, source });
                }
            }
        }
        let managed = [self.folder, self.root].into_iter().find_map(|folder| self.managed(folder));
        if let Some(interpreter) = managed {
            return Ok(interpreter);
        }
        let in_path = ["python3", "python"].into_iter().find_map(|name| self.in_path(name));
        let reason = "no virtual environment, and no python3 in PATH";
        in_path
            .map(|path| Interpreter { path, source: "PATH" })
            .ok_or_else(|| DriverError::NoInterpreter { reason: reason.to_owned() })
    }

    fn configured(&self, configured: &str) -> Result<Interpreter, DriverError> {
        let found = if configured.contains('/') {
            let path = self.root.join(configured);
            path.exists().then_some(path)
        } else {
            self.in_path(configured)
        };
        let reason = || format!("`python = \"{configured}\"` of mig-ci.toml does not exist");
        found
            .map(|path| Interpreter { path, source: "configured" })
            .ok_or_else(|| DriverError::NoInterpreter { reason: reason() })
    }

    fn managed(&self, folder: &Path) -> Option<Interpreter> {
        let (_, source, program, arguments) =
            MANAGERS.iter().find_map(|(lock, name, arguments)| {
                let program = folder.join(lock).exists().then(|| self.in_path(name)).flatten()?;
                Some((lock, *name, program, arguments))
            })?;
        let mut command = Command::new(program);
        command.args(*arguments).current_dir(folder).stdin(Stdio::null());
        let output = command.output().ok().filter(|output| output.status.success())?;
        let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        path.exists().then_some(Interpreter { path, source })
    }

    fn in_path(&self, name: &str) -> Option<PathBuf> {
        let path = (self.variable)("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}

fn in_environment(prefix: &Path) -> Option<PathBuf> {
    Some(prefix.join("bin/python")).filter(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn make(root: &Path, path: &str) -> PathBuf {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn the_sources_are_tried_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let backend = root.join("backend");
        fs::create_dir_all(&backend).unwrap();
        let find = |configured, virtual_env: Option<&Path>| {
            let variable = |name: &str| match name {
                "VIRTUAL_ENV" => virtual_env.map(|path| path.display().to_string()),
                "PATH" => Some(root.join("bin").display().to_string()),
                _ => None,
            };
            let search =
                InterpreterSearch { configured, root, folder: &backend, variable: &variable };
            search.find().map(|found| (found.path, found.source)).map_err(|error| error.to_string())
        };
        assert!(find(None, None).unwrap_err().contains("no virtual environment"));
        let in_path = make(root, "bin/python3");
        assert_eq!(find(None, None), Ok((in_path, "PATH")));
        let of_root = make(root, ".venv/bin/python");
        assert_eq!(find(None, None), Ok((of_root, ".venv")));
        let of_folder = make(root, "backend/.venv/bin/python");
        assert_eq!(find(None, None), Ok((of_folder, ".venv")));
        let active = make(root, "active/bin/python");
        assert_eq!(find(None, Some(&root.join("active"))), Ok((active.clone(), "VIRTUAL_ENV")));
        assert_eq!(find(None, Some(&root.join("gone"))).unwrap().1, ".venv");
        assert_eq!(find(Some("active/bin/python"), None), Ok((active, "configured")));
        assert!(find(Some("gone/python"), None).unwrap_err().contains("gone/python"));
        assert!(find(Some("python3"), None).is_ok());
    }
}
