//! How a statement of a sample is run.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// As the role that owns all objects.
    AsOwner,
    /// As the server's administrator, because an owner may not do it.
    AsAdmin,
    /// The same; afterwards the owner of the object (its kind and name, as in SQL) is changed.
    AsAdminForOwner(String),
    /// As the owner; skipped if this server does not have the setting.
    Setting,
    /// Skipped without a report.
    Ignore,
    /// Skipped, and counted under this reason.
    Skip(String),
}
