//! What the report says of the server. Read before the server is stopped.

use super::notes::note;
use crate::model::Project;
use crate::report::verify::v1;
use crate::server::{DatabaseLocale, Server};

pub(super) fn of_server(server: &Server, project: &Project) -> (v1::Server, Vec<v1::Note>) {
    let facts = v1::Server {
        provider: server.provider().to_string(),
        description: server.description().to_owned(),
        version: server.version().to_owned(),
        role: project.postgres.role.to_string(),
        lost: false,
        locale: Some(locale(server.locale())),
    };
    let notes = server.notes().iter().map(|own| note(own.severity, &own.message)).collect();
    (facts, notes)
}

fn locale(locale: &DatabaseLocale) -> v1::Locale {
    v1::Locale {
        encoding: locale.encoding.clone(),
        collate: locale.collate.clone(),
        ctype: locale.ctype.clone(),
        provider: locale.provider.clone(),
        locale: locale.locale.clone(),
        name: locale.name(),
    }
}
