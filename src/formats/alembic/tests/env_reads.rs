//! What env.py reads.

use pretty_assertions::assert_eq;

use super::{files, track};
use crate::formats::alembic::AlembicEnvironment;
use crate::formats::alembic::env_reads::{EnvironmentReads, NamedRead};

const INI: (&str, &str) = ("alembic.ini", "[alembic]\nscript_location = m\nprepend_sys_path = .\n");

fn reads(project: &[(&str, &str)]) -> EnvironmentReads {
    let files = files(&[&[INI], project].concat());
    let environment = AlembicEnvironment::resolve(&track(), &files).unwrap();
    EnvironmentReads::of(&environment, &track(), &files).unwrap()
}

fn shown(reads: &[NamedRead]) -> Vec<String> {
    let default = |read: &NamedRead| if read.has_default { " or a default" } else { "" };
    reads
        .iter()
        .map(|read| format!("{}:{} {}{}", read.path, read.line, read.name, default(read)))
        .collect()
}

#[test]
fn the_guides_env_py_reads_the_schema() {
    let text = "import os\nfrom alembic import context\nconfig = context.config\n\
                SCHEMA = os.getenv(\"TENANT_SCHEMA\", config.get_main_option(\"schema\", \"public\"))\n";
    let found = reads(&[("m/env.py", text)]);
    assert_eq!(shown(&found.variables), ["m/env.py:4 TENANT_SCHEMA or a default"]);
    assert_eq!(shown(&found.options), ["m/env.py:4 schema or a default"]);
    assert!(found.arguments.is_empty());
}

#[test]
fn variables_are_found_in_all_their_forms() {
    let text = "import os as o\nfrom os import environ as e, getenv\nNAME = 'BY_NAME'\n\
                o.environ['A']\ne['B']\ngetenv('C')\ne.get('D', 1)\no.environ.get('E')\nenv = o.environ\n\
                def f():\n    if 'F' in env:\n        return o.getenv(NAME, default='x')\n\
                o.environ['WRITTEN'] = '1'\nother['NOT'], other.get('NOT')\n";
    let found = reads(&[("m/env.py", text)]);
    assert_eq!(
        shown(&found.variables),
        [
            "m/env.py:4 A",
            "m/env.py:5 B",
            "m/env.py:6 C",
            "m/env.py:7 D or a default",
            "m/env.py:8 E",
            "m/env.py:11 F or a default",
            "m/env.py:12 BY_NAME or a default",
        ]
    );
}

#[test]
fn arguments_are_found_in_all_their_forms() {
    let text = "from alembic import context\nx = context.get_x_argument(as_dictionary=True)\nx['a']\nx.get('b', 1)\n\
                context.get_x_argument(as_dictionary=True).get('c')\nif 'd' in x: pass\n\
                for arg in context.get_x_argument():\n    if arg.startswith('e='): pass\n";
    assert_eq!(
        shown(&reads(&[("m/env.py", text)]).arguments),
        [
            "m/env.py:3 a",
            "m/env.py:4 b or a default",
            "m/env.py:5 c",
            "m/env.py:6 d or a default",
            "m/env.py:8 e or a default",
        ]
    );
}

#[test]
fn imported_modules_of_the_project_are_read_one_level_deep() {
    let env = "from app.config import settings\nfrom app import models\nimport app.broken\nfrom sqlalchemy import text\n";
    let config = "from pydantic import Field\nfrom pydantic_settings import BaseSettings, SettingsConfigDict\n\
                  from app.deep import x\nclass Settings(BaseSettings):\n    model_config = SettingsConfigDict(env_prefix='app_')\n    \
                  postgres_host: str\n    port: int = 5432\n    url: str = Field(..., alias='db_url')\n";
    let decouple = "from decouple import config\nDB = config('DB_NAME', default='x')\nfrom starlette.config import Config\n\
                    settings = Config('.env')\nsettings('SECRET')\n";
    let found = reads(&[
        ("m/env.py", env),
        ("app/config.py", config),
        ("app/models/__init__.py", decouple),
        ("app/deep.py", "import os\nos.environ['DEEP']"),
        ("app/broken.py", "def ("),
    ]);
    assert_eq!(
        shown(&found.variables),
        [
            "app/config.py:6 APP_POSTGRES_HOST",
            "app/config.py:7 APP_PORT or a default",
            "app/config.py:8 DB_URL",
            "app/models/__init__.py:2 DB_NAME or a default",
            "app/models/__init__.py:5 SECRET",
        ]
    );
}

#[test]
fn a_syntax_error_of_env_py_has_its_line() {
    let files = files(&[INI, ("m/env.py", "import os\n\ndef (\n")]);
    let environment = AlembicEnvironment::resolve(&track(), &files).unwrap();
    let error = EnvironmentReads::of(&environment, &track(), &files).unwrap_err();
    assert!(error.to_string().starts_with("m/env.py:3: it is not valid Python: "), "{error}");
}
