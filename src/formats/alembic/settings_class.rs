//! Settings classes of pydantic: each field is a variable of its name. Rules from pydantic-settings 2, "Usage" and "Environment
//! variable names": names are not case-sensitive, `env_prefix` is put in front, and an alias replaces the name.

use ruff_python_ast::{Expr, ExprCall, Stmt, StmtClassDef};

use super::python::{literal, name};

/// A field of a settings class.
#[derive(Debug)]
pub(super) struct SettingsField<'c> {
    /// The variable's usual name, in upper case.
    pub(super) variable: String,
    pub(super) statement: &'c Stmt,
    pub(super) has_default: bool,
}

/// The fields of a class; none if it is not a settings class.
pub(super) fn fields(class: &StmtClassDef) -> Vec<SettingsField<'_>> {
    let mut bases = class.arguments.iter().flat_map(|arguments| &arguments.args);
    if !bases.any(|base| last_name(base).is_some_and(|name| name.ends_with("BaseSettings"))) {
        return Vec::new();
    }
    let prefix = prefix(&class.body).unwrap_or_default();
    class.body.iter().filter_map(|statement| field(statement, &prefix)).collect()
}

fn field<'c>(statement: &'c Stmt, prefix: &str) -> Option<SettingsField<'c>> {
    let Stmt::AnnAssign(assignment) = statement else { return None };
    let own = name(&assignment.target)?;
    if own == "model_config" || own.starts_with('_') {
        return None;
    }
    let call = assignment.value.as_deref().and_then(as_call);
    let of_field = call.filter(|call| last_name(&call.func) == Some("Field"));
    let keyword = |key: &str| of_field.and_then(|call| call.arguments.find_keyword(key));
    let alias = ["validation_alias", "alias", "env"]
        .iter()
        .find_map(|key| literal(&keyword(key)?.value))
        .map(str::to_uppercase);
    let has_default = match of_field {
        None => assignment.value.is_some(),
        Some(call) => {
            let first = call.arguments.args.first();
            first.is_some_and(|first| !matches!(first, Expr::EllipsisLiteral(_)))
                || keyword("default").is_some()
                || keyword("default_factory").is_some()
        }
    };
    let variable = alias.unwrap_or_else(|| format!("{prefix}{own}").to_uppercase());
    Some(SettingsField { variable, statement, has_default })
}

/// `env_prefix` of `model_config = SettingsConfigDict(env_prefix=…)` or of an inner `class Config`.
fn prefix(body: &[Stmt]) -> Option<String> {
    body.iter().find_map(|statement| match statement {
        Stmt::Assign(assignment) => {
            let call = as_call(&assignment.value)?;
            literal(&call.arguments.find_keyword("env_prefix")?.value).map(str::to_owned)
        }
        Stmt::ClassDef(inner) => inner.body.iter().find_map(|statement| {
            let Stmt::Assign(assignment) = statement else { return None };
            let [target] = assignment.targets.as_slice() else { return None };
            let text = (name(target)? == "env_prefix").then(|| literal(&assignment.value))?;
            text.map(str::to_owned)
        }),
        _ => None,
    })
}

fn as_call(expression: &Expr) -> Option<&ExprCall> {
    match expression {
        Expr::Call(call) => Some(call),
        _ => None,
    }
}

/// `C` of `C` and of `module.C`.
fn last_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        other => name(other),
    }
}
