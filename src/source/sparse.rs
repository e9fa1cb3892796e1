//! Detects files that a sparse checkout excludes: they are missing in the worktree, and not deleted.
//!
//! Source: gitformat-index(5), versions 2 to 4. Version 4 omits the common prefix of a name and its predecessor; git writes it
//! with `feature.manyFiles`, as in large repositories. A split index is not supported.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::SourceError;
use super::checkout::Checkout;
use super::git::toplevel_of;
use super::snapshot::normal;

/// The length of times, device, inode, mode, owner and size in bytes.
const STAT: usize = 40;
const MODE: usize = 24;
const HAS_MORE_FLAGS: u16 = 0x4000;
const SKIP_WORKTREE: u16 = 0x4000;

/// # Errors
/// If a file at or below `paths`, which are relative to `root`, is in the commit and was not checked out.
pub(super) fn check(root: &Utf8Path, paths: &[Utf8PathBuf]) -> Result<(), SourceError> {
    let Ok(real) = root.canonicalize_utf8() else { return Ok(()) };
    let Some(toplevel) = toplevel_of(&real) else { return Ok(()) };
    let prefix = real.strip_prefix(toplevel).unwrap_or("".into());
    let index = Checkout::open(toplevel).and_then(|checkout| checkout.index());
    let Some(skipped) = index.and_then(|(bytes, hash)| skipped(&bytes, hash)) else {
        return Ok(());
    };
    let wanted: Vec<_> = paths.iter().map(|path| normal(&prefix.join(path))).collect();
    let is_wanted = |path: &String| {
        // A folder includes all files in it.
        let path = path.trim_end_matches('/');
        wanted.iter().any(|wanted| {
            Utf8Path::new(path).starts_with(wanted) || Utf8Path::new(wanted).starts_with(path)
        }) && fs::symlink_metadata(toplevel.join(path)).is_err()
    };
    match skipped.into_iter().find(is_wanted) {
        Some(path) => Err(SourceError::Sparse { path: path.into() }),
        None => Ok(()),
    }
}

/// The names of the entries that are not checked out. `None` for an unsupported index.
fn skipped(bytes: &[u8], hash: usize) -> Option<Vec<String>> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let short = |at: usize| bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes);
    let version = number(4)?;
    if !bytes.starts_with(b"DIRC") || !matches!(version, 2..=4) {
        return None;
    }
    let mut names = Vec::new();
    let mut whole_name = Vec::new();
    let mut at = 12;
    for _ in 0..number(8)? {
        let mut name = at + STAT + hash + 2;
        let flags = short(name - 2)?;
        let more = if flags & HAS_MORE_FLAGS == 0 { 0 } else { short(name)? };
        name += if flags & HAS_MORE_FLAGS == 0 { 0 } else { 2 };
        let dropped =
            if version == 4 { variable_width(bytes, &mut name)? } else { whole_name.len() };
        let length = bytes.get(name..)?.iter().position(|byte| *byte == 0)?;
        whole_name.truncate(whole_name.len().checked_sub(dropped)?);
        whole_name.extend_from_slice(&bytes[name..name + length]);
        // A folder of a sparse index is always excluded.
        let is_folder = number(at + MODE)? == 0o040_000;
        if more & SKIP_WORKTREE != 0 || is_folder {
            names.push(String::from_utf8_lossy(&whole_name).into_owned());
        }
        // One zero, or one to eight up to a multiple of eight.
        at += if version == 4 { name + length + 1 - at } else { (name + length - at) / 8 * 8 + 8 };
    }
    Some(names)
}

/// A number with seven bits in each byte, the highest first. Each further byte adds one to the preceding value, so that no
/// number has two encodings. Source: gitformat-pack(5), offsets of deltas.
fn variable_width(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_usize;
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value = value.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        value += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::base::read_revisions;
    use crate::source::revisions::BaseRequest;
    use crate::source::testing::TestRepository;

    fn shop() -> TestRepository {
        let shop = TestRepository::new();
        for path in ["m/1.sql", "m/deep/22.sql", "other/333.sql", "a", "ab", "p/m/4444.sql"] {
            shop.write(path, path);
        }
        shop.commit_all("all");
        shop
    }

    fn error(shop: &TestRepository, root: &str, paths: &[&str]) -> Option<String> {
        let paths: Vec<Utf8PathBuf> = paths.iter().map(Utf8PathBuf::from).collect();
        check(&shop.path().join(root), &paths).err().map(|error| error.to_string())
    }

    #[test]
    fn a_complete_checkout_excludes_nothing_and_a_deleted_file_is_deleted() {
        let shop = shop();
        assert_eq!(error(&shop, "", &["m", "", "nowhere"]), None);
        std::fs::remove_file(shop.path().join("m/1.sql")).unwrap();
        assert_eq!(error(&shop, "", &["m"]), None);
    }

    #[test]
    fn a_sparse_checkout_is_an_error_only_for_files_that_are_read() {
        let indexes = [&["--no-sparse-index"][..], &["--sparse-index"]];
        for (index, version) in indexes.iter().flat_map(|index| [(index, "2"), (index, "4")]) {
            let shop = shop();
            // The difference to the next name does not fit in the seven bits of one byte.
            let long = format!("m/{}.sql", "x".repeat(140));
            shop.write(&long, "long");
            shop.commit_all("a long name");
            shop.git(&["config", "index.version", version]);
            shop.git(&["update-index", "--force-write-index", "--index-version", version]);
            shop.git(&[&["sparse-checkout", "set", "--cone"], *index, &["other"]].concat());
            let bytes = fs::read(shop.path().join(".git/index")).unwrap();
            assert_eq!(bytes[7] == 4, version == "4");
            assert!(!shop.path().join("m/1.sql").exists());
            let text = error(&shop, "", &["other", "m"]).unwrap();
            assert!(text.contains("sparse") && text.contains("sparse-checkout"), "{text}");
            assert_eq!(error(&shop, "", &["other", "sqlx.toml"]), None);
            shop.git(&["sparse-checkout", "add", "m"]);
            assert_eq!(error(&shop, "", &["other", "m"]), None);
            assert!(error(&shop, "", &["p/m"]).is_some());
            shop.git(&["sparse-checkout", "disable"]);
            assert_eq!(error(&shop, "p", &["m"]), None);
        }
    }

    /// A file hidden from git by the user still exists.
    #[test]
    fn an_existing_file_is_not_excluded() {
        let shop = shop();
        shop.git(&["update-index", "--skip-worktree", "m/1.sql"]);
        assert_eq!(error(&shop, "", &["m"]), None);
        std::fs::remove_file(shop.path().join("m/1.sql")).unwrap();
        assert!(
            error(&shop, "", &["m"]).unwrap().starts_with("m/1.sql is in the checked-out commit")
        );
    }

    #[tokio::test]
    async fn a_base_is_not_compared_with_a_sparse_head() {
        let shop = shop();
        shop.git(&["sparse-checkout", "set", "other"]);
        for request in [BaseRequest::Default, BaseRequest::None] {
            let found = read_revisions(shop.path(), &request, &["m".into()], None).await;
            assert!(matches!(found.unwrap_err(), SourceError::Sparse { .. }));
        }
    }
}
