//! How a statement of a sample is run.

/// How a statement of a sample is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// As the role that owns everything else.
    AsOwner,
    /// As the server's administrator: an owner may not do it.
    AsAdmin,
    /// The same; afterwards the object (its kind and its name, as in SQL) is given to the owner.
    AsAdminForOwner(String),
    /// As the owner; if this server does not know the setting, it is left out.
    Setting,
    /// Left out; there is nothing to say about it.
    Ignore,
    /// Left out, and counted under this reason.
    Skip(String),
}
