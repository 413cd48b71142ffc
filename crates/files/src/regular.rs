//! Files that somebody names: regular ones only, since opening a pipe waits for whoever writes into it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Opens a regular file for reading. Never waits: of a pipe it is an error, as of a folder and a device.
///
/// # Errors
/// What the system says, or that the file is not regular.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without it opening a pipe waits; for a regular file it means nothing.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let why = "it is a folder, a pipe or a device, and not a regular file";
    Err(io::Error::new(ErrorKind::InvalidInput, why))
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`], and for a larger file.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    // A file may grow until it is read, and some have a length of 0 and content.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let why = format!("it has more than {most} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Reads a regular file of at most `most` bytes of UTF-8.
///
/// # Errors
/// As [`read`], and for other text.
pub fn read_to_string(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// The path that an open file really lies at: what was opened, whatever stands at `path` by now. `None` where it has moved.
pub fn path_of(file: &File, path: &Path) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        if let Ok(real) = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
            return Some(real);
        }
    }
    let real = path.canonicalize().ok()?;
    same(file, &real)?.then_some(real)
}

/// Whether an open file is the one that stands at a path, a link not followed.
#[cfg(unix)]
fn same(file: &File, path: &Path) -> Option<bool> {
    use std::os::unix::fs::MetadataExt;
    let (opened, there) = (file.metadata().ok()?, path.symlink_metadata().ok()?);
    Some((opened.dev(), opened.ino()) == (there.dev(), there.ino()))
}

/// Whether an open file is the one that stands at a path, a link not followed.
#[cfg(not(unix))]
fn same(file: &File, path: &Path) -> Option<bool> {
    let (opened, there) = (file.metadata().ok()?, path.symlink_metadata().ok()?);
    Some(there.is_file() && opened.len() == there.len() && opened.modified().ok() == there.modified().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_is_read_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert_eq!(read(&path, 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read_to_string(&path, 9).unwrap(), "four");
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_to_string(&path, 9).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(
            read(&folder.path().join("b"), 9).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_waits_for_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/null")] {
            let error = open(path).unwrap_err();
            assert!(error.to_string().contains("not a regular file"), "{path:?}: {error}");
        }
    }

    #[test]
    fn an_open_file_says_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("a");
        std::fs::write(&real, "x").unwrap();
        assert_eq!(path_of(&open(&real).unwrap(), &real), Some(real));
    }
}
