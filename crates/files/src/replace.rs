//! Files of the user's that are changed: whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// Replaces a file's content at once, or makes the file and its folders. A link stays a link to what is replaced; the
/// rights of a file that was there stay.
pub fn replace(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let path = real(path);
    // A name alone lies in the working folder.
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let old = std::fs::metadata(&path).ok();
    let mut builder = Builder::new();
    #[cfg(unix)]
    if old.is_none() {
        use std::os::unix::fs::PermissionsExt;
        // As any program makes a file: what the user's mask leaves of it.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.write_all(content.as_ref())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

/// Where a path leads, also when nothing is there yet.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match path.read_link() {
        Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => path.to_owned(),
    })
}

/// A changed text with the ends of lines of the old one, for an editor that forgets them. None where the old one has both
/// kinds, so that nobody can tell which line had which.
pub fn with_ends_of(old: &str, new: String) -> Option<String> {
    match old.matches("\r\n").count() {
        0 => Some(new),
        some if some == old.matches('\n').count() => Some(new.replace("\r\n", "\n").replace('\n', "\r\n")),
        _ => None,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_stays_a_link_and_rights_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        fs::write(at("real"), "old").unwrap();
        fs::set_permissions(at("real"), Permissions::from_mode(0o640)).unwrap();
        symlink(at("real"), at("link")).unwrap();
        replace(&at("link"), "new").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read_to_string(at("real")).unwrap(), "new");
        assert_eq!(mode("real"), 0o640);

        symlink("not/there/yet", at("dangling")).unwrap();
        replace(&at("dangling"), "made").unwrap();
        assert!(at("dangling").is_symlink());
        assert_eq!(fs::read_to_string(at("not/there/yet")).unwrap(), "made");
        fs::write(at("usual"), "").unwrap();
        assert_eq!(mode("not/there/yet"), mode("usual"), "a new file is like any other");
        assert_eq!(
            fs::read_dir(at("not/there")).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
