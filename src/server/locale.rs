//! The locale of a run's databases: which letters `lower()` and `upper()` convert, and how text is sorted. Unique indexes
//! and checks on such expressions depend on it.

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::ProviderError;
use super::note::Note;
use crate::model::{LocaleProvider, PostgresSettings};
use crate::postgres::connect;
use crate::sql::quote_literal;

/// The first version with `pg_database.datlocprovider` and ICU locales of databases.
const PROVIDER_FROM: u32 = 150_000;
/// The first version with `datlocale` instead of `daticulocale`.
const LOCALE_FROM: u32 = 170_000;

/// The encoding and locale of a run's databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseLocale {
    pub(crate) encoding: String,
    /// `LC_COLLATE`.
    pub(crate) collate: String,
    /// `LC_CTYPE`.
    pub(crate) ctype: String,
    /// `libc`, `icu` or `builtin`.
    pub(crate) provider: String,
    /// The locale of a provider other than libc.
    pub(crate) locale: Option<String>,
}

/// Checks the configured locale, so that one that the server lacks is an error before anything runs. Returns the locale of
/// the databases, which are created from `template0`.
pub(crate) async fn check(
    connection: &mut PgConnection,
    settings: &PostgresSettings,
    version_num: u32,
    own: bool,
) -> Result<(DatabaseLocale, Vec<Note>), ProviderError> {
    let of_template = of_template(connection, version_num).await?;
    let letters = match &settings.locale {
        Some(locale) => try_out(connection, locale, settings.locale_provider).await?,
        None => has_letters(connection, "", &of_template.ctype).await?,
    };
    let found = configured(of_template, settings);
    let note = (!letters && (own || settings.locale.is_some())).then(|| {
        Note::warning(format!(
            "with the server's locale {} lower(), upper() and ~* handle only ASCII letters (É and é stay \
             different), so unique indexes on them pass here and can fail in production; set \
             postgres.locale to production's locale",
            found.name()
        ))
    });
    Ok((found, note.into_iter().collect()))
}

/// The locale options of `CREATE DATABASE`; empty for the locale of `template0`.
pub(crate) fn create_options(settings: &PostgresSettings) -> String {
    let Some(locale) = &settings.locale else { return String::new() };
    let locale = quote_literal(locale);
    match settings.locale_provider {
        LocaleProvider::Libc => format!(" LOCALE {locale}"),
        LocaleProvider::Icu => format!(" LOCALE_PROVIDER icu ICU_LOCALE {locale}"),
        LocaleProvider::Builtin => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}"),
    }
}

impl DatabaseLocale {
    /// A short name: `en_US.utf8`, `icu de-DE`.
    pub(crate) fn name(&self) -> String {
        match &self.locale {
            Some(locale) => format!("{} {locale}", self.provider),
            None if self.collate == self.ctype => self.collate.clone(),
            None => format!("{} (letters: {})", self.collate, self.ctype),
        }
    }
}

async fn of_template(
    connection: &mut PgConnection,
    version_num: u32,
) -> Result<DatabaseLocale, ProviderError> {
    let more = match version_num {
        LOCALE_FROM.. => "datlocprovider::text AS provider, datlocale AS locale",
        PROVIDER_FROM.. => "datlocprovider::text AS provider, daticulocale AS locale",
        _ => "'c' AS provider, NULL::text AS locale",
    };
    let query = format!(
        "SELECT datcollate::text AS collate, datctype::text AS ctype, {more} \
         FROM pg_catalog.pg_database WHERE datname = 'template0'"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_one(connection).await;
    let read = |row: PgRow| -> Result<DatabaseLocale, sqlx::Error> {
        let provider: String = row.try_get("provider")?;
        Ok(DatabaseLocale {
            // The encoding that `create_database` uses.
            encoding: "UTF8".to_owned(),
            collate: row.try_get("collate")?,
            ctype: row.try_get("ctype")?,
            provider: match provider.as_str() {
                "i" => "icu",
                "b" => "builtin",
                _ => "libc",
            }
            .to_owned(),
            locale: row.try_get("locale")?,
        })
    };
    row.and_then(read).map_err(|error| ProviderError::sql("ask the server for its locale", &error))
}

fn configured(of_template: DatabaseLocale, settings: &PostgresSettings) -> DatabaseLocale {
    let Some(locale) = &settings.locale else { return of_template };
    let provider = settings.locale_provider.to_string();
    match settings.locale_provider {
        LocaleProvider::Libc => DatabaseLocale {
            collate: locale.clone(),
            ctype: locale.clone(),
            provider,
            locale: None,
            ..of_template
        },
        _ => DatabaseLocale { provider, locale: Some(locale.clone()), ..of_template },
    }
}

/// Whether the locale converts letters beyond ASCII. Tested with a temporary collation, which accepts the same names as a
/// database.
async fn try_out(
    connection: &mut PgConnection,
    locale: &str,
    provider: LocaleProvider,
) -> Result<bool, ProviderError> {
    let refused = |error: &sqlx::Error, known: Vec<String>| ProviderError::Locale {
        locale: locale.to_owned(),
        provider: provider.to_string(),
        reason: crate::server::error::describe(error),
        known: known.join(", "),
    };
    let make = format!(
        "BEGIN; CREATE COLLATION pg_temp.mig_ci_locale (PROVIDER = {provider}, LOCALE = {})",
        quote_literal(locale)
    );
    let made = sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut *connection).await;
    if let Err(error) = made {
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
        return Err(refused(&error, known(connection).await));
    }
    let letters = has_letters(connection, "COLLATE pg_temp.mig_ci_locale", locale).await;
    connect::execute(connection, "ROLLBACK", "try the locale of postgres.locale").await?;
    letters
}

/// In a database with another encoding than UTF8 the letters cannot be tested, so the locale's name decides.
async fn has_letters(
    connection: &mut PgConnection,
    collate: &str,
    name: &str,
) -> Result<bool, ProviderError> {
    let refused = |error| ProviderError::sql("ask the server for its letters", &error);
    let encoding: String = sqlx::query_scalar("SELECT pg_catalog.getdatabaseencoding()::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(refused)?;
    if encoding != "UTF8" {
        return Ok(!["C", "POSIX"].contains(&name));
    }
    let query = format!("SELECT pg_catalog.lower(U&'\\00C9' {collate}) = U&'\\00E9'");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(connection).await.map_err(refused)
}

/// Some of the server's locales.
async fn known(connection: &mut PgConnection) -> Vec<String> {
    const QUERY: &str = "SELECT DISTINCT collname::text COLLATE \"C\" FROM pg_catalog.pg_collation \
                         WHERE collprovider IN ('c', 'b') ORDER BY 1 LIMIT 12";
    sqlx::query_scalar(QUERY).fetch_all(connection).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_options_contain_the_configured_locale() {
        let settings = |provider| PostgresSettings {
            locale: Some("de'x".to_owned()),
            locale_provider: provider,
            ..PostgresSettings::default()
        };
        assert_eq!(create_options(&PostgresSettings::default()), "");
        assert_eq!(create_options(&settings(LocaleProvider::Libc)), " LOCALE 'de''x'");
        let icu = create_options(&settings(LocaleProvider::Icu));
        assert_eq!(icu, " LOCALE_PROVIDER icu ICU_LOCALE 'de''x'");
    }
}
