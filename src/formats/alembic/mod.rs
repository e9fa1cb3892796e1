//! The format of [Alembic](https://alembic.sqlalchemy.org) projects, read without running Python. Rules from alembic 1.20.1;
//! where 1.8.0 differs, the file says so.

mod environment;
mod ini;
mod options;
mod pyproject;

pub(crate) use environment::{AlembicEnvironment, IniSection, sections, tool_table};
