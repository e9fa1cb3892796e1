//! Names of dbmate's files.

/// The version of a file that dbmate treats as a migration: `^(\d+).*\.sql$`.
pub(super) fn version(name: &str) -> Option<&str> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && name.ends_with(".sql")).then(|| &name[..digits])
}

pub(super) fn description(name: &str, version: &str) -> String {
    let rest = name[version.len()..].trim_end_matches(".sql");
    rest.trim_start_matches(['_', '-']).replace('_', " ")
}
