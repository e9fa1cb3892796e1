//! The files of `--output`: mig-ci checks before the run that they can be written, and writes each completely.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use nix::unistd::{AccessFlags, access};
use uuid::Uuid;

use super::args::ReportOutput;
use super::error::CommandError;
use crate::secrets;

/// Checks, without changing any file, whether the files can be written, so that an error is reported before a replay and not
/// after it.
///
/// # Errors
/// The first file that cannot be written, and why.
pub(crate) fn probe<F>(outputs: &[ReportOutput<F>]) -> Result<(), CommandError> {
    let mut paths = BTreeSet::new();
    outputs.iter().try_for_each(|output| {
        let path = &output.path;
        // A second path of the same file can also come from a link in a folder.
        let folder =
            folder_of(path).canonicalize_utf8().unwrap_or_else(|_| folder_of(path).to_owned());
        let is_new = paths.insert(folder.join(path.file_name().unwrap_or_default()));
        let probed = match is_new || !is_replaced(path) {
            true => look(path),
            false => Err("it is the file of another report".to_owned()),
        };
        probed.map_err(|reason| CommandError::Output { path: path.clone(), reason })
    })
}

fn look(path: &Utf8Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err("it is a folder".to_owned()),
        Ok(_) if is_replaced(path) => look_at_folder(folder_of(path)),
        Ok(_) => writable(path),
        Err(_) => look_at_folder(folder_of(path)),
    }
}

/// An existing folder has to be writable; a missing one has to be creatable in an existing one.
fn look_at_folder(folder: &Utf8Path) -> Result<(), String> {
    match fs::metadata(folder) {
        Ok(there) if !there.is_dir() => Err(format!("{folder} is not a folder")),
        Ok(_) => creatable_in(folder).map_err(|error| format!("the folder {folder}: {error}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match folder.parent() {
            Some(_) => look_at_folder(folder_of(folder)),
            None => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    }
}

/// Creates a file in a folder, and removes it: permissions alone do not show whether a file system accepts files.
fn creatable_in(folder: &Utf8Path) -> io::Result<()> {
    let path = partial_in(folder);
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(path)
}

fn partial_in(folder: &Utf8Path) -> Utf8PathBuf {
    folder.join(format!(".mig-ci-{}.partial", Uuid::new_v4().simple()))
}

fn writable(path: &Utf8Path) -> Result<(), String> {
    access(path.as_std_path(), AccessFlags::W_OK).map_err(|error| error.desc().to_owned())
}

/// Writes `text` to `path`. A file is replaced by a new one with the same mode, so that no reader sees a partial file; anything
/// else (a device, a pipe, the target of a link) is written in place.
///
/// # Errors
/// If it cannot be written. An existing file is then unchanged.
pub(crate) fn write(path: &Utf8Path, text: &str) -> Result<(), CommandError> {
    let text = &*secrets::mask(text);
    let written = fs::create_dir_all(folder_of(path)).and_then(|()| {
        if is_replaced(path) { replace(path, text) } else { write_in_place(path, text) }
    });
    written
        .map_err(|error| CommandError::Output { path: path.to_owned(), reason: error.to_string() })
}

/// Whether there is a file, or nothing.
fn is_replaced(path: &Utf8Path) -> bool {
    fs::symlink_metadata(path).map_or(true, |there| there.is_file())
}

fn replace(path: &Utf8Path, text: &str) -> io::Result<()> {
    let beside = partial_in(folder_of(path));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let replaced = fill(&mut file, path, text).and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        // A partial file is useless, and the first error is the relevant one.
        let _ = fs::remove_file(&beside);
    }
    replaced
}

fn fill(file: &mut File, path: &Utf8Path, text: &str) -> io::Result<()> {
    if let Ok(there) = fs::metadata(path) {
        file.set_permissions(there.permissions())?;
    }
    file.write_all(text.as_bytes())
}

fn write_in_place(path: &Utf8Path, text: &str) -> io::Result<()> {
    // A dangling link creates its file. Nothing else is created, so that another process's pipe is not replaced.
    let is_there = fs::metadata(path).is_ok();
    let mut options = OpenOptions::new();
    options.write(true).truncate(true).create(!is_there);
    options.open(path)?.write_all(text.as_bytes())
}

/// `.` for a file name without a folder.
fn folder_of(path: &Utf8Path) -> &Utf8Path {
    match path.parent() {
        Some(folder) if folder != "" => folder,
        Some(_) => Utf8Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::report::verify::v1::Report;
    use crate::report::{Rendered as _, ReportFormat};

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let holder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(holder.path()).unwrap().to_owned();
        (holder, path)
    }

    fn names(folder: &Utf8Path) -> Vec<String> {
        let entries = folder.read_dir_utf8().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_owned()).collect();
        names.sort();
        names
    }

    fn json_format() -> ReportFormat<Report> {
        *Report::FORMATS.iter().find(|format| format.name == "json").unwrap()
    }

    fn probed(path: Utf8PathBuf) -> Result<(), String> {
        let output = ReportOutput { format: json_format(), path };
        probe(&[output]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_replaced_and_keeps_its_mode() {
        let (_holder, folder) = folder();
        let path = folder.join("new/er/rep.json");
        write(&path, "one").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        fs::write(folder.join("new/er/rep.mig-ci-partial"), "mine").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(names(&folder.join("new/er")), ["rep.json", "rep.mig-ci-partial"]);
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let (_holder, folder) = folder();
        fs::write(folder.join("real"), "longer than the new text").unwrap();
        for (link, to) in [("link", "real"), ("dangling", "made"), ("null", "/dev/null")] {
            symlink(to, folder.join(link)).unwrap();
            probed(folder.join(link)).unwrap();
            write(&folder.join(link), "text").unwrap();
            assert!(folder.join(link).is_symlink(), "{link}");
        }
        assert_eq!(fs::read_to_string(folder.join("real")).unwrap(), "text");
        assert_eq!(fs::read_to_string(folder.join("made")).unwrap(), "text");
        assert_eq!(names(&folder), ["dangling", "link", "made", "null", "real"]);
    }

    #[test]
    fn unwritable_files_are_detected_before_the_run() {
        let (_holder, folder) = folder();
        fs::write(folder.join("file"), "").unwrap();
        assert_eq!(probed(folder.join("a/b/c.json")), Ok(()));
        assert!(names(&folder).iter().all(|name| name == "file"), "nothing is created");
        assert!(probed(folder.clone()).unwrap_err().contains("it is a folder"));
        assert!(probed(folder.join("file/x.json")).unwrap_err().contains("cannot write"));
    }
}
