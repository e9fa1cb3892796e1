//! A revision file, read from its syntax tree: its identifiers, and what is known of its functions.
//!
//! Rules from alembic 1.20.1, `script/base.py` (`Script`) and `script/revision.py` (`Revision`, `verify_rev_id`). Alembic executes
//! the file and reads module variables; here they have to be literals. The last assignment at the module's top level counts. A
//! variable that is assigned anything else, or below `if`, `try`, `for`, is [`RevisionFileError::Computed`]: only Python knows it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use camino::Utf8Path;
use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, Stmt};

use super::python::{PythonModule, PythonSyntaxError, docstring, is_empty_body, literal, name};
use crate::formats::FormatError;

/// What a revision file states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RevisionFile {
    /// `None` if the module has no such variable.
    pub(super) revision: Option<RevisionVariable>,
    /// Empty for a base, several for a merge. `None` if the module has no such variable.
    pub(super) down_revisions: Option<RevisionVariable>,
    pub(super) branch_labels: Vec<String>,
    pub(super) depends_on: Vec<String>,
    /// The line of `depends_on`; 0 if there is none.
    pub(super) depends_on_line: usize,
    /// The first line of the docstring; may be empty.
    pub(super) description: String,
    /// The upgrade function does nothing.
    pub(super) is_empty: bool,
    pub(super) has_downgrade: bool,
}

/// The texts of a variable and its line, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RevisionVariable {
    pub(super) texts: Vec<String>,
    pub(super) line: usize,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RevisionFileError {
    /// Not valid Python.
    Syntax(PythonSyntaxError),
    /// The value is not a literal.
    Computed { line: usize, variable: &'static str },
    /// A literal that Alembic does not accept.
    Invalid { line: usize, problem: String },
}

impl RevisionFileError {
    /// The same as an error of the file.
    pub(super) fn at(&self, path: &Utf8Path) -> FormatError {
        let path = path.to_owned();
        let (line, problem) = match self {
            Self::Syntax(error) => return error.clone().at(&path),
            Self::Invalid { line, problem } => (Some(*line), problem.clone()),
            Self::Computed { line, variable } => {
                return FormatError::Computed { path, line: *line, variable };
            }
        };
        FormatError::File { path, line, problem, help: None }
    }
}

/// A file's text, shared between the revisions of the repository that have the same, and what was read from it.
pub(super) type ReadRevision = (Arc<str>, ParsedRevision);

type ParsedRevision = Arc<Result<RevisionFile, RevisionFileError>>;

/// Base and head have nearly the same files: each distinct text is parsed once in a process.
static READ: LazyLock<Mutex<HashMap<Arc<str>, ParsedRevision>>> = LazyLock::new(Mutex::default);

/// Reads the text of a file.
pub(super) fn read(text: &str) -> ReadRevision {
    let mut known = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((text, file)) = known.get_key_value(text) {
        return (Arc::clone(text), Arc::clone(file));
    }
    let (key, file): ReadRevision = (Arc::from(text), Arc::new(RevisionFile::parse(text)));
    known.insert(Arc::clone(&key), Arc::clone(&file));
    (key, file)
}

impl RevisionFile {
    fn parse(text: &str) -> Result<Self, RevisionFileError> {
        let module = PythonModule::parse(text).map_err(RevisionFileError::Syntax)?;
        let mut variables = Variables { module: &module, found: HashMap::new() };
        for statement in module.statements() {
            variables.read(statement);
        }
        let revision = variables.take("revision")?;
        if let Some(revision) = &revision {
            verify_identifier(revision)?;
        }
        let down_revisions = variables.take("down_revision")?;
        let depends_on = variables.take("depends_on")?.unwrap_or_default();
        let statements = module.statements();
        let doc = docstring(statements).unwrap_or_default().trim();
        Ok(Self {
            revision,
            down_revisions,
            branch_labels: variables.take("branch_labels")?.unwrap_or_default().texts,
            depends_on_line: depends_on.line,
            depends_on: depends_on.texts,
            description: doc.lines().next().unwrap_or_default().trim_end().to_owned(),
            is_empty: function(statements, "upgrade").is_some_and(is_empty_body),
            has_downgrade: function(statements, "downgrade").is_some(),
        })
    }
}

/// `Revision.verify_rev_id`.
fn verify_identifier(revision: &RevisionVariable) -> Result<(), RevisionFileError> {
    let invalid = |problem| Err(RevisionFileError::Invalid { line: revision.line, problem });
    let [text] = revision.texts.as_slice() else {
        return invalid("`revision` has to be one text".to_owned());
    };
    let mut illegal: Vec<char> = text.chars().filter(|c| "@-+:".contains(*c)).collect();
    illegal.sort_unstable();
    illegal.dedup();
    if illegal.is_empty() {
        return Ok(());
    }
    let illegal: Vec<String> = illegal.iter().map(char::to_string).collect();
    invalid(format!(
        "Character(s) '{}' not allowed in revision identifier '{text}'",
        illegal.join(", ")
    ))
}

fn function<'m>(statements: &'m [Stmt], name: &str) -> Option<&'m [Stmt]> {
    statements.iter().rev().find_map(|statement| match statement {
        Stmt::FunctionDef(function) if function.name.as_str() == name => Some(&*function.body),
        _ => None,
    })
}

/// The variables of a revision that Alembic reads.
const NAMES: [&str; 4] = ["revision", "down_revision", "branch_labels", "depends_on"];

/// The last value of each variable; `None` if it is not a literal.
struct Variables<'m, 't> {
    module: &'m PythonModule<'t>,
    found: HashMap<&'static str, (usize, Option<Vec<String>>)>,
}

impl Variables<'_, '_> {
    fn read(&mut self, statement: &Stmt) {
        let line = self.module.line(statement);
        match statement {
            Stmt::Assign(assignment) => {
                for target in &assignment.targets {
                    match known_name(target) {
                        Some(name) => {
                            drop(self.found.insert(name, (line, texts(&assignment.value))))
                        }
                        // `revision, down_revision = …`
                        None => self.computed(target),
                    }
                }
            }
            Stmt::AnnAssign(assignment) => {
                if let (Some(name), Some(value)) =
                    (known_name(&assignment.target), assignment.value.as_deref())
                {
                    self.found.insert(name, (line, texts(value)));
                }
            }
            // The parameters and the variables of a function are its own.
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            other => {
                let mut stores = Stores { module: self.module, found: Vec::new() };
                stores.visit_stmt(other);
                for (name, line) in stores.found {
                    self.found.insert(name, (line, None));
                }
            }
        }
    }

    fn computed(&mut self, target: &Expr) {
        let mut stores = Stores { module: self.module, found: Vec::new() };
        stores.visit_expr(target);
        for (name, line) in stores.found {
            self.found.insert(name, (line, None));
        }
    }

    fn take(
        &mut self,
        variable: &'static str,
    ) -> Result<Option<RevisionVariable>, RevisionFileError> {
        match self.found.remove(variable) {
            None => Ok(None),
            Some((line, Some(texts))) => Ok(Some(RevisionVariable { texts, line })),
            Some((line, None)) => Err(RevisionFileError::Computed { line, variable }),
        }
    }
}

fn known_name(expression: &Expr) -> Option<&'static str> {
    let name = name(expression)?;
    NAMES.into_iter().find(|known| *known == name)
}

/// The texts of a literal: `None`, a text, or a tuple, list or set of texts. `None` if it is anything else.
fn texts(expression: &Expr) -> Option<Vec<String>> {
    let elements = match expression {
        Expr::NoneLiteral(_) => return Some(Vec::new()),
        Expr::StringLiteral(_) => std::slice::from_ref(expression),
        Expr::Tuple(tuple) => &tuple.elts,
        Expr::List(list) => &list.elts,
        Expr::Set(set) => &set.elts,
        _ => return None,
    };
    elements.iter().map(|element| literal(element).map(str::to_owned)).collect()
}

/// Collects the variables that a statement may assign, at any depth.
struct Stores<'m, 't> {
    module: &'m PythonModule<'t>,
    found: Vec<(&'static str, usize)>,
}

impl<'a> Visitor<'a> for Stores<'_, '_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            Stmt::Import(_) | Stmt::ImportFrom(_) => {
                for alias in imported(statement) {
                    if let Some(name) = NAMES.into_iter().find(|known| *known == alias) {
                        self.found.push((name, self.module.line(statement)));
                    }
                }
            }
            other => walk_stmt(self, other),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression
            && name.ctx != ExprContext::Load
            && let Some(known) = known_name(expression)
        {
            self.found.push((known, self.module.line(expression)));
        }
        ruff_python_ast::visitor::walk_expr(self, expression);
    }
}

/// The names that an import binds.
fn imported(statement: &Stmt) -> Vec<&str> {
    let names = match statement {
        Stmt::Import(import) => &import.names,
        Stmt::ImportFrom(import) => &import.names,
        _ => return Vec::new(),
    };
    names.iter().map(|alias| alias.asname.as_ref().unwrap_or(&alias.name).as_str()).collect()
}
