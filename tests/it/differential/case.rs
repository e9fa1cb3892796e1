//! A case: a migration directory, the state before, and the expected results of the tool and of mig-ci.

use camino::Utf8Path;

use crate::common::{Project, project};

/// The input of a real tool and of mig-ci.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) layout: Layout,
    pub(super) tenants: &'static [&'static str],
    pub(super) base: Vec<File>,
    head: Vec<File>,
    beside: Vec<File>,
    /// SQL of the administrator, run first.
    prepare: String,
    /// The starting state of the tenant `old`.
    pub(super) sample: Option<String>,
    pub(super) expected: Expected,
    /// Findings of mig-ci although the tool succeeds.
    pub(super) found: &'static [&'static str],
}

type File = (&'static str, Vec<u8>);

/// The target of a tenant, and the search path of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A schema of its own, followed by `shared` and `public` in the search path.
    Schema,
    /// A database of its own, with the server's search path.
    Public,
}

/// The expected result of both.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    Passes,
    /// The server reports an error with this SQLSTATE.
    Fails(&'static str),
    /// The tool stops with this message; mig-ci has the same.
    Stops(&'static str),
    /// Both stop at the same migration with the same state, but with different messages.
    InOtherWords {
        ours: &'static str,
        theirs: &'static str,
    },
    /// mig-ci refuses the directory. The tool detects the problem when it reaches the file, and has applied the earlier
    /// migrations by then, so the states are not compared.
    RefusedAtLoad {
        ours: &'static str,
        theirs: &'static str,
    },
}

/// A case whose tenant starts empty, in a schema of its own, and which passes.
pub(super) fn case(name: &'static str) -> Case {
    Case {
        name,
        layout: Layout::Schema,
        tenants: &["fresh_1"],
        base: Vec::new(),
        head: Vec::new(),
        beside: Vec::new(),
        prepare: String::new(),
        sample: None,
        expected: Expected::Passes,
        found: &[],
    }
}

impl Case {
    /// A file of the directory, after the change.
    pub(super) fn file(mut self, name: &'static str, text: impl AsRef<[u8]>) -> Self {
        self.head.push((name, text.as_ref().to_vec()));
        self
    }

    /// A file of the directory, before the change. The tenant is then migrated to that state first.
    pub(super) fn base(mut self, name: &'static str, text: impl AsRef<[u8]>) -> Self {
        self.tenants = &["base"];
        self.base.push((name, text.as_ref().to_vec()));
        self
    }

    /// A file that exists before and after the change.
    pub(super) fn kept(self, name: &'static str, text: impl AsRef<[u8]> + Copy) -> Self {
        self.base(name, text).file(name, text)
    }

    /// A file of the project outside of the directory.
    pub(super) fn beside(mut self, name: &'static str, text: &'static str) -> Self {
        self.beside.push((name, text.into()));
        self
    }

    pub(super) fn prepare(mut self, sql: impl Into<String>) -> Self {
        self.prepare = sql.into();
        self
    }

    pub(super) fn sample(mut self, sql: impl Into<String>) -> Self {
        self.sample = Some(sql.into());
        self.tenants = &["old"];
        self
    }

    pub(super) fn tenants(mut self, names: &'static [&'static str]) -> Self {
        self.tenants = names;
        self
    }

    pub(super) fn two_tenants(self) -> Self {
        self.tenants(&["fresh_1", "fresh_2"])
    }

    pub(super) fn public(mut self) -> Self {
        self.layout = Layout::Public;
        self
    }

    /// The tool succeeds; mig-ci leaves the same state, and fails with these findings.
    pub(super) fn found(mut self, codes: &'static [&'static str]) -> Self {
        self.found = codes;
        self
    }

    pub(super) fn fails(mut self, sqlstate: &'static str) -> Self {
        self.expected = Expected::Fails(sqlstate);
        self
    }

    pub(super) fn stops(mut self, words: &'static str) -> Self {
        self.expected = Expected::Stops(words);
        self
    }

    pub(super) fn in_other_words(mut self, ours: &'static str, theirs: &'static str) -> Self {
        self.expected = Expected::InOtherWords { ours, theirs };
        self
    }

    pub(super) fn refused_at_load(mut self, ours: &'static str, theirs: &'static str) -> Self {
        self.expected = Expected::RefusedAtLoad { ours, theirs };
        self
    }

    /// SQL that the administrator runs in the new database.
    pub(super) fn prepare_sql(&self) -> String {
        let shared = match self.layout {
            Layout::Schema => "CREATE SCHEMA shared; GRANT ALL ON SCHEMA shared TO PUBLIC;",
            Layout::Public => "",
        };
        format!("{shared}\n{};\n", self.prepare)
    }

    /// The project for mig-ci: the base is committed, the head is the worktree. The tool's directories are `head/m` and
    /// `base/m`, with the files next to them.
    pub(super) fn project(&self, format: &str, keep: &str) -> Project {
        let (tenancy, target, path) = match self.layout {
            Layout::Schema => ("schema", "{tenant}", r#"["{target}", "shared", "public"]"#),
            Layout::Public => ("database", "db_{tenant}", r#"["public"]"#),
        };
        let samples = if self.sample.is_some() { "samples = \"samples/*.sql\"" } else { "" };
        let config = format!(
            "[databases.app]\nprepare = [\"prepare.sql\", \"keep.sql\"]\n[databases.app.tenants]\nmigrations = \"head/m\"\n\
             format = \"{format}\"\ntenancy = \"{tenancy}\"\ntarget = \"{target}\"\nsearch_path = {path}\n{samples}\n"
        );
        let mut project = project()
            .file("mig-ci.toml", config)
            .file("prepare.sql", self.prepare_sql())
            .file("keep.sql", keep);
        if let Some(sql) = &self.sample {
            project = project.file("samples/old.sql", sql);
        }
        for (folder, files) in [("base", &self.base), ("head", &self.head)] {
            let in_folder = files.iter().map(|(name, text)| (format!("m/{name}"), text));
            let beside = self.beside.iter().map(|(name, text)| ((*name).to_owned(), text));
            for (name, text) in in_folder.chain(beside) {
                project = project.file(&format!("{folder}/{name}"), text);
            }
        }
        self.commit_base(project)
    }

    /// The base's files must be at the head's paths for the commit, and are then removed.
    fn commit_base(&self, project: Project) -> Project {
        if self.base.is_empty() {
            return project;
        }
        let root = project.path().to_owned();
        let swap = |from: &str, to: &str| {
            std::fs::rename(root.join(from), root.join(to)).unwrap();
        };
        swap("head", "kept");
        let project = project.copy(Utf8Path::new(&root.join("base")), "head").git_commit("base");
        std::fs::remove_dir_all(root.join("head")).unwrap();
        swap("kept", "head");
        project
    }
}
