//! What env.py reads of its surroundings: variables, `-x` arguments and main options, found by name in its syntax tree and in the
//! modules of the project that it imports directly.
//!
//! A name that is computed is not found, and neither is what an imported module imports. So this suggests a configuration; the
//! run decides whether it is right.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, Stmt};

use super::bindings::Bindings;
use super::environment::{AlembicEnvironment, import_folders};
use super::python::{PythonModule, literal};
use super::settings_class::fields;
use crate::formats::FormatError;
use crate::model::{AlembicTrack, Files};

/// What env.py reads, each name once, in the order of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnvironmentReads {
    pub(crate) variables: Vec<NamedRead>,
    /// Keys of `-x key=value`.
    pub(crate) arguments: Vec<NamedRead>,
    /// Main options of the `Config`.
    pub(crate) options: Vec<NamedRead>,
}

/// A place that reads a value by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedRead {
    pub(crate) name: String,
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// Whether the places that read it name a default.
    pub(crate) has_default: bool,
}

/// Which kind of value a place reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ReadKind {
    Variable,
    Argument,
    MainOption,
}

impl EnvironmentReads {
    /// Reads env.py of an environment.
    ///
    /// # Errors
    /// If env.py is not valid Python. A module that it imports is skipped then.
    pub(crate) fn of(
        environment: &AlembicEnvironment,
        track: &AlembicTrack,
        files: &dyn Files,
    ) -> Result<Self, FormatError> {
        let path = environment.script_folder.join("env.py");
        let Some(text) = text_of(files, &path)? else { return Ok(Self::default()) };
        let module = PythonModule::parse(&text).map_err(|error| error.at(&path))?;
        let mut found = FoundReads::default();
        let imported = found.add(&path, &module);
        let folders = import_folders(track, &environment.prepend_sys_path);
        for name in imported {
            let Some(path) = module_path(files, &folders, &name)? else { continue };
            if found.files.contains(&path) {
                continue;
            }
            if let Some(text) = text_of(files, &path)?
                && let Ok(module) = PythonModule::parse(&text)
            {
                found.add(&path, &module);
            }
        }
        Ok(found.into_reads())
    }
}

fn text_of(files: &dyn Files, path: &Utf8Path) -> Result<Option<String>, FormatError> {
    Ok(files.read(path)?.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// The file of a module of the project.
fn module_path(
    files: &dyn Files,
    folders: &[Utf8PathBuf],
    name: &str,
) -> Result<Option<Utf8PathBuf>, FormatError> {
    let relative = name.replace('.', "/");
    for folder in folders {
        for candidate in [format!("{relative}.py"), format!("{relative}/__init__.py")] {
            let path = folder.join(candidate);
            if files.read(&path)?.is_some() {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// All reads of several files.
#[derive(Debug, Default)]
struct FoundReads {
    reads: IndexMap<(ReadKind, String), NamedRead>,
    files: Vec<Utf8PathBuf>,
}

impl FoundReads {
    /// Adds the reads of a module. Returns the modules that it may import.
    fn add(&mut self, path: &Utf8Path, module: &PythonModule<'_>) -> Vec<String> {
        self.files.push(path.to_owned());
        let bindings = Bindings::of(module.statements());
        let mut visitor = ReadVisitor { path, module, bindings: &bindings, found: self };
        for statement in module.statements() {
            visitor.visit_stmt(statement);
        }
        bindings.imported_modules()
    }

    fn into_reads(self) -> EnvironmentReads {
        let mut result = EnvironmentReads::default();
        for ((kind, _), read) in self.reads {
            match kind {
                ReadKind::Variable => result.variables.push(read),
                ReadKind::Argument => result.arguments.push(read),
                ReadKind::MainOption => result.options.push(read),
            }
        }
        result
    }
}

struct ReadVisitor<'v, 't> {
    path: &'v Utf8Path,
    module: &'v PythonModule<'t>,
    bindings: &'v Bindings,
    found: &'v mut FoundReads,
}

impl<'a> Visitor<'a> for ReadVisitor<'_, '_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::ClassDef(class) = statement {
            for field in fields(class) {
                let line = self.module.line(field.statement);
                self.record(ReadKind::Variable, field.variable, line, field.has_default);
            }
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Subscript(subscript) if subscript.ctx.is_load() => {
                if let Some(kind) = self.source(&subscript.value) {
                    self.record_expression(kind, &subscript.slice, expression, false);
                }
            }
            Expr::Call(call) => self.call(call, expression),
            // `"X" in os.environ`: the program looks whether there is one.
            Expr::Compare(compare) => {
                if let [container] = &*compare.comparators
                    && let Some(kind) = self.source(container)
                {
                    self.record_expression(kind, &compare.left, expression, true);
                }
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}

impl ReadVisitor<'_, '_> {
    /// The kind of values that a mapping has.
    fn source(&self, mapping: &Expr) -> Option<ReadKind> {
        if self.bindings.is_environ(mapping) {
            return Some(ReadKind::Variable);
        }
        self.bindings.is_x_arguments(mapping).then_some(ReadKind::Argument)
    }

    fn call(&mut self, call: &ExprCall, whole: &Expr) {
        let Some(first) = call.arguments.args.first() else { return };
        let kind = match &*call.func {
            Expr::Attribute(method) => match method.attr.as_str() {
                "get" | "pop" => self.source(&method.value),
                "get_main_option" | "get_alembic_option" => Some(ReadKind::MainOption),
                // `for argument in context.get_x_argument(): if argument.startswith("tenant="):`
                "startswith" if self.bindings.reads_x_arguments() => {
                    let key = literal(first).and_then(|text| text.strip_suffix('='));
                    if let Some(key) = key.filter(|key| !key.is_empty()) {
                        let line = self.module.line(whole);
                        self.record(ReadKind::Argument, key.to_owned(), line, true);
                    }
                    None
                }
                _ => None,
            },
            _ => None,
        };
        let is_reader = self.bindings.is_variable_reader(&call.func);
        if let Some(kind) = kind.or(is_reader.then_some(ReadKind::Variable)) {
            let default = call.arguments.args.len() > 1
                || call.arguments.keywords.iter().any(|keyword| {
                    keyword.arg.as_ref().is_some_and(|name| name.as_str() == "default")
                });
            self.record_expression(kind, first, whole, default);
        }
    }

    fn record_expression(&mut self, kind: ReadKind, name: &Expr, place: &Expr, has_default: bool) {
        if let Some(name) = self.bindings.text(name) {
            let line = self.module.line(place);
            self.record(kind, name.to_owned(), line, has_default);
        }
    }

    fn record(&mut self, kind: ReadKind, name: String, line: usize, has_default: bool) {
        let read = NamedRead { name: name.clone(), path: self.path.to_owned(), line, has_default };
        // The value is needed if one of the places needs it.
        let known = self.found.reads.entry((kind, name)).or_insert(read);
        known.has_default &= has_default;
    }
}
