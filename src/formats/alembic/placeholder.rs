//! Which placeholder fits a variable or an argument of env.py, by its name. A suggestion is written into a configuration where a
//! person reads it; so a name that could mean something else gets none.

/// Words of names that belong to another service.
const FOREIGN: &[&str] = &[
    "AMQP",
    "BROKER",
    "CACHE",
    "CELERY",
    "CLICKHOUSE",
    "ELASTIC",
    "ELASTICSEARCH",
    "EMAIL",
    "KAFKA",
    "LDAP",
    "MAIL",
    "MEMCACHED",
    "MINIO",
    "MONGO",
    "MONGODB",
    "MYSQL",
    "ORACLE",
    "PROXY",
    "RABBITMQ",
    "REDIS",
    "S3",
    "SENTRY",
    "SMTP",
    "SNOWFLAKE",
    "SSH",
];

/// Words of names that belong to a database. `HOST` alone is that of a web server.
const OF_DATABASE: &[&str] = &[
    "ALEMBIC",
    "DATABASE",
    "DB",
    "MIGRATION",
    "MIGRATIONS",
    "PG",
    "POSTGRES",
    "POSTGRESQL",
    "PSQL",
    "RDS",
    "SQL",
    "SQLALCHEMY",
    "TENANT",
];

/// The placeholder for an environment variable.
pub(crate) fn suggest_value(name: &str) -> Option<&'static str> {
    let name = name.to_uppercase();
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    if words.iter().any(|word| FOREIGN.contains(word)) {
        return None;
    }
    match name.as_str() {
        "PGHOST" | "PGHOSTADDR" => return Some("{host}"),
        "PGPORT" => return Some("{port}"),
        "PGUSER" => return Some("{user}"),
        "PGPASSWORD" => return Some("{password}"),
        "PGDATABASE" => return Some("{dbname}"),
        "SCHEMA"
        | "SCHEMA_NAME"
        | "TENANT_SCHEMA_NAME"
        | "TENANT_DB"
        | "TENANT_DATABASE"
        | "TENANT_DB_NAME"
        | "TENANT_DATABASE_NAME" => return Some("{target}"),
        "TENANT" | "TENANT_ID" | "TENANT_NAME" | "TENANT_SLUG" | "TENANT_KEY" => {
            return Some("{tenant}");
        }
        _ => {}
    }
    let (last, rest) = words.split_last()?;
    let of_database = rest.iter().any(|word| OF_DATABASE.contains(word));
    match *last {
        "SCHEMA" if !rest.is_empty() => Some("{target}"),
        "DSN" => Some("{url}"),
        "URL" | "URI" if of_database => Some("{url}"),
        "HOST" | "HOSTNAME" | "SERVER" if of_database => Some("{host}"),
        "PORT" if of_database => Some("{port}"),
        "USER" | "USERNAME" if of_database => Some("{user}"),
        "PASSWORD" | "PASS" | "PASSWD" if of_database => Some("{password}"),
        "NAME" if matches!(rest.last(), Some(&"DB" | &"DATABASE")) => Some("{dbname}"),
        "DB" | "DATABASE" | "DBNAME" if words.len() > 1 => Some("{dbname}"),
        _ => None,
    }
}

/// The placeholder for the value of an `-x key=value`.
pub(crate) fn suggest_argument(key: &str) -> Option<&'static str> {
    match key.to_lowercase().replace('-', "_").as_str() {
        "schema" | "schemas" | "tenant_schema" => Some("{target}"),
        "db" | "database" | "dbname" => Some("{dbname}"),
        "url" | "dburl" | "uri" | "dsn" => Some("{url}"),
        "tenants" => Some("{tenant}"),
        other => suggest_value(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_get_the_placeholder_of_their_meaning() {
        let cases = [
            ("{target}", "TENANT_SCHEMA SCHEMA SCHEMA_NAME DB_SCHEMA TENANT_DB TENANT_DATABASE"),
            ("{tenant}", "TENANT TENANT_ID TENANT_NAME TENANT_SLUG"),
            ("{url}", "DATABASE_URL DB_URL SQLALCHEMY_DATABASE_URI APP_DSN POSTGRES_URL"),
            ("{host}", "PGHOST POSTGRES_HOST DB_HOST POSTGRES_SERVER"),
            ("{port}", "PGPORT DB_PORT POSTGRES_PORT"),
            ("{user}", "PGUSER DB_USER POSTGRES_USER DATABASE_USERNAME"),
            ("{password}", "PGPASSWORD POSTGRES_PASSWORD DB_PASS"),
            ("{dbname}", "PGDATABASE POSTGRES_DB DB_NAME APP_DB DATABASE_NAME APP_DATABASE"),
        ];
        for (expected, names) in cases {
            for name in names.split(' ') {
                assert_eq!(suggest_value(name), Some(expected), "{name}");
            }
        }
    }

    #[test]
    fn other_names_get_none() {
        for name in [
            "HOST",
            "PORT",
            "USER",
            "REDIS_HOST",
            "REDIS_URL",
            "REDIS_DB",
            "SENTRY_DSN",
            "SMTP_PASSWORD",
            "API_URL",
            "DEBUG",
            "DB",
            "DATABASE_POOL_SIZE",
            "",
        ] {
            assert_eq!(suggest_value(name), None, "{name}");
        }
    }

    #[test]
    fn arguments_get_the_placeholder_of_their_meaning() {
        for (key, expected) in [
            ("tenant", "{tenant}"),
            ("tenant_id", "{tenant}"),
            ("schema", "{target}"),
            ("tenant_schema", "{target}"),
            ("tenant-schema", "{target}"),
            ("db", "{dbname}"),
            ("database", "{dbname}"),
            ("url", "{url}"),
            ("dburl", "{url}"),
        ] {
            assert_eq!(suggest_argument(key), Some(expected), "{key}");
        }
        assert_eq!(suggest_argument("data"), None);
    }
}
