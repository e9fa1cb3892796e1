//! What the names of a module mean, as far as it matters for reading variables: imports, and assignments of well-known objects.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtImport, StmtImportFrom};

use super::python::{literal, name};

/// The names of a module.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    /// Local names of the module `os`.
    os: HashSet<String>,
    /// Local names of `os.environ`.
    environ: HashSet<String>,
    /// Local names of functions that read a variable by its name: `getenv`, decouple's `config`, environs' `env`.
    readers: HashSet<String>,
    /// Local names of dictionaries of `-x` arguments.
    x_arguments: HashSet<String>,
    reads_x_arguments: bool,
    /// `NAME = "text"`.
    texts: HashMap<String, String>,
    imported: Vec<String>,
}

impl Bindings {
    pub(super) fn of(statements: &[Stmt]) -> Self {
        let mut bindings = Self::default();
        let mut visitor = BindingVisitor(&mut bindings);
        for statement in statements {
            visitor.visit_stmt(statement);
        }
        bindings
    }

    /// Modules that the module may import: of `from a import b`, both `a` and `a.b`.
    pub(super) fn imported_modules(&self) -> Vec<String> {
        self.imported.clone()
    }

    /// Whether the expression is `os.environ`.
    pub(super) fn is_environ(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Name(name) => self.environ.contains(name.id.as_str()),
            Expr::Attribute(attribute) => {
                attribute.attr.as_str() == "environ" && self.is_os(&attribute.value)
            }
            _ => false,
        }
    }

    /// Whether the expression is a dictionary of `-x` arguments.
    pub(super) fn is_x_arguments(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Name(name) => self.x_arguments.contains(name.id.as_str()),
            other => is_x_argument_call(other),
        }
    }

    /// Whether the module calls `get_x_argument` at all.
    pub(super) fn reads_x_arguments(&self) -> bool {
        self.reads_x_arguments
    }

    /// Whether calling the expression reads a variable.
    pub(super) fn is_variable_reader(&self, function: &Expr) -> bool {
        match function {
            Expr::Name(name) => self.readers.contains(name.id.as_str()),
            Expr::Attribute(attribute) if attribute.attr.as_str() == "getenv" => {
                self.is_os(&attribute.value)
            }
            // `env.str("X")` of environs and django-environ.
            Expr::Attribute(attribute) => {
                name(&attribute.value).is_some_and(|name| self.readers.contains(name))
            }
            _ => false,
        }
    }

    /// The text of a literal, or of a name that is assigned one.
    pub(super) fn text<'e>(&'e self, expression: &'e Expr) -> Option<&'e str> {
        literal(expression).or_else(|| Some(self.texts.get(name(expression)?)?.as_str()))
    }

    fn is_os(&self, expression: &Expr) -> bool {
        name(expression).is_some_and(|name| self.os.contains(name))
    }

    fn import(&mut self, statement: &StmtImport) {
        for alias in &statement.names {
            let local = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
            if alias.name.as_str() == "os" {
                self.os.insert(local.to_owned());
            }
            self.imported.push(alias.name.as_str().to_owned());
        }
    }

    fn import_from(&mut self, statement: &StmtImportFrom) {
        let Some(module) = statement.module.as_ref().filter(|_| statement.level == 0) else {
            return;
        };
        self.imported.push(module.as_str().to_owned());
        for alias in &statement.names {
            let local = alias.asname.as_ref().unwrap_or(&alias.name).as_str().to_owned();
            match (module.as_str(), alias.name.as_str()) {
                ("os", "environ") => drop(self.environ.insert(local)),
                ("os", "getenv") | ("decouple", "config") => drop(self.readers.insert(local)),
                (module, name) => self.imported.push(format!("{module}.{name}")),
            }
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr) {
        let Some(target) = name(target).map(str::to_owned) else { return };
        if let Some(text) = literal(value) {
            self.texts.insert(target, text.to_owned());
        } else if self.is_environ(value) {
            self.environ.insert(target);
        } else if is_x_argument_call(value) {
            self.x_arguments.insert(target);
        } else if is_reader_object(value) {
            self.readers.insert(target);
        }
    }
}

/// `context.get_x_argument(…)`.
fn is_x_argument_call(expression: &Expr) -> bool {
    let Expr::Call(call) = expression else { return false };
    match &*call.func {
        Expr::Attribute(attribute) => attribute.attr.as_str() == "get_x_argument",
        other => name(other) == Some("get_x_argument"),
    }
}

/// `Config(".env")` of starlette and decouple, `Env()` of environs and django-environ: objects that read variables when they are
/// called. Alembic's own `Config` is not called.
fn is_reader_object(expression: &Expr) -> bool {
    let Expr::Call(call) = expression else { return false };
    let class = match &*call.func {
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        other => name(other),
    };
    matches!(class, Some("Config" | "Env" | "FileAwareEnv" | "AutoConfig"))
}

/// Collects the names of a module, at any depth: env.py often imports inside functions.
struct BindingVisitor<'b>(&'b mut Bindings);

impl<'a> Visitor<'a> for BindingVisitor<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(statement) => self.0.import(statement),
            Stmt::ImportFrom(statement) => self.0.import_from(statement),
            Stmt::Assign(statement) => {
                for target in &statement.targets {
                    self.0.assign(target, &statement.value);
                }
            }
            Stmt::AnnAssign(statement) => {
                if let Some(value) = &statement.value {
                    self.0.assign(&statement.target, value);
                }
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Named(named) = expression {
            self.0.assign(&named.target, &named.value);
        }
        self.0.reads_x_arguments |= is_x_argument_call(expression);
        ruff_python_ast::visitor::walk_expr(self, expression);
    }
}
