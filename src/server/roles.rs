//! The role that migrations run as: by default a plain owner, as on managed Postgres. What a superuser may do and an owner
//! may not is a failure that has to show here, not in production.

use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::error::{ProviderError, describe};
use super::note::Note;
use super::provider::Started;
use super::request::ServerRequest;
use crate::model::Role;
use crate::postgres::connect;
use crate::sql::{quote_identifier, quote_literal};

/// Its name on a server of our own. Always the same, so that reports of two runs are.
const OWN_SERVER_ROLE: &str = "mig_ci_owner";

/// Who runs the migrations.
pub(crate) struct MigrationRole {
    pub(crate) name: String,
    /// The caller adds the database.
    pub(crate) options: PgConnectOptions,
}

/// What the administrator may do.
struct Rights {
    user: String,
    superuser: bool,
    create_role: bool,
    bypass_rls: bool,
}

/// Makes the migration role, or finds that the administrator has to be it.
pub(crate) async fn prepare(
    connection: &mut PgConnection,
    request: &ServerRequest,
    started: &Started,
) -> Result<(MigrationRole, Option<Note>), ProviderError> {
    let rights = Rights::of(connection).await?;
    let admin = MigrationRole { name: rights.user.clone(), options: started.admin.clone() };
    match request.settings.role {
        Role::Superuser if rights.superuser => Ok((admin, None)),
        Role::Superuser => Err(ProviderError::NoSuperuser { user: rights.user }),
        Role::Owner if rights.superuser || rights.create_role => {
            let name =
                if started.own { OWN_SERVER_ROLE.to_owned() } else { request.run.owner_role() };
            let role = make(connection, &name, &rights, &started.admin).await?;
            log_in(&role).await?;
            Ok((role, None))
        }
        Role::Owner => Ok((admin, Some(rights.note()))),
    }
}

async fn make(
    connection: &mut PgConnection,
    name: &str,
    rights: &Rights,
    admin: &PgConnectOptions,
) -> Result<MigrationRole, ProviderError> {
    let password = random_password();
    let quoted = quote_identifier(name);
    let mut sql = format!(
        "CREATE ROLE {quoted} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION PASSWORD {}",
        quote_literal(&password)
    );
    if !rights.superuser {
        // Only a member can make databases that the role owns. From 16 on its maker has ADMIN, but not SET.
        sql.push_str(&format!("; GRANT {quoted} TO CURRENT_USER"));
    }
    connect::execute(connection, sql, "create the role that migrations run as").await?;
    Ok(MigrationRole {
        name: name.to_owned(),
        options: admin.clone().username(name).password(&password),
    })
}

async fn log_in(role: &MigrationRole) -> Result<(), ProviderError> {
    match connect::connect(&role.options, std::time::Duration::from_secs(20)).await {
        Ok(connection) => {
            connect::close(connection).await;
            Ok(())
        }
        Err(error) => Err(ProviderError::RoleShutOut { reason: describe(&error) }),
    }
}

impl Rights {
    async fn of(connection: &mut PgConnection) -> Result<Self, ProviderError> {
        let row = sqlx::query(
            "SELECT rolname::text, rolsuper, rolcreaterole, rolbypassrls FROM pg_catalog.pg_roles \
             WHERE rolname = CURRENT_USER",
        )
        .fetch_one(connection)
        .await;
        row.and_then(|row| {
            Ok(Self {
                user: row.try_get(0)?,
                superuser: row.try_get(1)?,
                create_role: row.try_get(2)?,
                bypass_rls: row.try_get(3)?,
            })
        })
        .map_err(|error| ProviderError::sql("query the privileges of the server's user", &error))
    }

    fn note(&self) -> Note {
        if self.bypass_rls {
            Note::warning(format!(
                "the migrations ran as `{}`, the user of postgres.url, who may not create roles and who \
                 bypasses row-level security: effects of policies were not tested",
                self.user
            ))
        } else {
            Note::info(format!(
                "the migrations ran as `{}`, the user of postgres.url, who may not create roles",
                self.user
            ))
        }
    }
}

/// 122 random bits, in letters and digits that no shell, URL or SQL text has to escape.
pub(crate) fn random_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
