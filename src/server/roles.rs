//! The role that runs migrations: by default an owner without superuser privileges, as on managed PostgreSQL. A migration
//! that needs a superuser must fail here, not in production.

use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::error::{ProviderError, describe};
use super::note::Note;
use super::provider::Started;
use super::request::ServerRequest;
use crate::model::Role;
use crate::postgres::connect;
use crate::sql::{quote_identifier, quote_literal};

/// Its name on a server that mig-ci starts. Constant, so that reports of two runs are comparable.
const OWN_SERVER_ROLE: &str = "mig_ci_owner";

/// The role that runs the migrations.
pub(crate) struct MigrationRole {
    pub(crate) name: String,
    /// Without a database, which the caller adds.
    pub(crate) options: PgConnectOptions,
}

/// The privileges of the administrator.
struct Privileges {
    user: String,
    superuser: bool,
    create_role: bool,
    bypass_rls: bool,
}

/// Creates the migration role, or uses the administrator if it cannot create roles.
pub(crate) async fn prepare(
    connection: &mut PgConnection,
    request: &ServerRequest,
    started: &Started,
) -> Result<(MigrationRole, Option<Note>), ProviderError> {
    let privileges = Privileges::of(connection).await?;
    let admin = MigrationRole { name: privileges.user.clone(), options: started.admin.clone() };
    match request.settings.role {
        Role::Superuser if privileges.superuser && started.port.is_some() => {
            let password = random_password();
            set_password(connection, &privileges.user, &password).await?;
            Ok((MigrationRole { options: admin.options.password(&password), ..admin }, None))
        }
        Role::Superuser if privileges.superuser => Ok((admin, None)),
        Role::Superuser => Err(ProviderError::NoSuperuser { user: privileges.user }),
        Role::Owner if privileges.superuser || privileges.create_role => {
            let name =
                if started.own { OWN_SERVER_ROLE.to_owned() } else { request.run.owner_role() };
            let role = make(connection, &name, &privileges, &started.admin).await?;
            log_in(&role).await?;
            Ok((role, None))
        }
        Role::Owner => Ok((admin, Some(privileges.note()))),
    }
}

async fn make(
    connection: &mut PgConnection,
    name: &str,
    privileges: &Privileges,
    admin: &PgConnectOptions,
) -> Result<MigrationRole, ProviderError> {
    let password = random_password();
    let quoted = quote_identifier(name);
    let mut sql = format!(
        "CREATE ROLE {quoted} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION PASSWORD {}",
        quote_literal(&password)
    );
    if !privileges.superuser {
        // Only a member of the role can create databases that it owns. Since version 16 its creator has ADMIN, but not SET.
        sql.push_str(&format!("; GRANT {quoted} TO CURRENT_USER"));
    }
    connect::execute(connection, sql, "create the role that migrations run as").await?;
    Ok(MigrationRole {
        name: name.to_owned(),
        options: admin.clone().username(name).password(&password),
    })
}

/// A TCP port asks for a password, and a Unix socket does not.
async fn set_password(
    connection: &mut PgConnection,
    user: &str,
    password: &str,
) -> Result<(), ProviderError> {
    let sql = format!("ALTER ROLE {} PASSWORD {}", quote_identifier(user), quote_literal(password));
    connect::execute(connection, sql, "set the password of the role that migrations run as").await
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

impl Privileges {
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

/// 122 random bits as letters and digits, which need no escaping in a shell, a URL or SQL.
pub(crate) fn random_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
