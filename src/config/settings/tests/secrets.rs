//! Errors show no secrets, for any mistake in the file that contains them.

use crate::config::Overrides;
use crate::config::testing::{load_with, usual_files};

const SECRET: &str = "hunter2";

#[test]
fn no_error_shows_a_secret() {
    let wrong = [
        // The line with the mistake contains the secret, too.
        "databases.app = { url = 'postgres://u:hunter2@h/d', migratons = 'x' }",
        "databases.app = { url = 'password=hunter2', migratons = 'x' }",
        "databases.app.ulr = 'postgres://u:hunter2@h/d'",
        "databases.app = 'postgres://u:hunter2@h/d'",
        "postgres.provider = 'postgres://u:hunter2@h/d'",
        "postgres.provider = '${SERVER}'",
        "postgres.version = '${SERVER}'",
        "postgres = { provider = 'url', url = 'postgres://u:hunter2@h/${NONE}' }",
        "postgres.url = 'postgres://u:hunter2@h/d",
        "postgres.url = '''\npassword=hunter2",
        "databases.app.migrations = '${SERVER}'",
        "databases.app.tenants = { migrations = 'x', samples = '${SERVER}' }",
        "postgres.settings = { 'app.x' = 'hunter2', 'app.y' = 5 }",
        "postgres.settings = { 'app.x' = 'hunter2', 'app y' = 'hunter2' }",
    ];
    for text in wrong {
        let errors = load_with(text, usual_files(), Overrides::default()).expect_err(text);
        for shown in [errors.render(false), errors.render(true), errors.to_string()] {
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(shown.contains("mig-ci.toml"), "{shown}");
        }
    }
}

#[test]
fn the_debug_output_shows_no_secret() {
    let text = "databases.app = { url = 'postgres://u:hunter2@h/d', migrations = 'x' }
                postgres.provider = 'postgres://u:hunter2@h/d'";
    let errors = load_with(text, usual_files(), Overrides::default()).unwrap_err();
    let debug = format!("{errors:?}");
    assert!(debug.contains("`postgres.provider` cannot be"), "{debug}");
    assert!(!debug.contains(SECRET), "{debug}");
}
