//! The path of a key in the configuration: `databases.app.tenants.samples`.

use std::fmt;

/// Keys and list indices from the root of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConfigKey(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Name(String),
    Index(usize),
}

impl ConfigKey {
    /// The root of the file.
    pub(crate) fn root() -> Self {
        Self::default()
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        self.with(Part::Name(name.to_owned()))
    }

    /// An element of the list at this key, counted from 0.
    pub(crate) fn element(&self, index: usize) -> Self {
        self.with(Part::Index(index))
    }

    /// The key or list that contains this one; `None` at the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        Some(Self(parents.to_vec()))
    }

    /// Whether its last part is this name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        matches!(self.0.last(), Some(Part::Name(last)) if last == name)
    }

    /// The header of the table at this key: `[databases.app]`.
    pub(crate) fn table(&self) -> String {
        if self.0.is_empty() { "the file's top level".to_owned() } else { format!("[{self}]") }
    }

    fn with(&self, part: Part) -> Self {
        let mut parts = self.0.clone();
        parts.push(part);
        Self(parts)
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.iter().enumerate() {
            match part {
                Part::Name(name) => {
                    let dot = if position == 0 { "" } else { "." };
                    write!(f, "{dot}{}", quoted(name))?;
                }
                Part::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key in TOML syntax: bare if possible, else quoted.
pub(crate) fn quoted(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        toml::Value::String(name.to_owned()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_displayed_as_in_the_file() {
        let key =
            ConfigKey::root().child("databases").child("my app").child("search_path").element(1);
        assert_eq!(key.to_string(), "databases.\"my app\".search_path[1]");
        assert_eq!(
            key.parent().map(|key| key.table()).unwrap(),
            "[databases.\"my app\".search_path]"
        );
        assert_eq!(ConfigKey::root().table(), "the file's top level");
        assert_eq!(ConfigKey::root().parent(), None);
    }
}
