//! Files that are on this machine already: in the cache, in ComfyUI's folders, or where the user says.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders below the one that is named.
const DEEPEST: usize = 6;
/// Entries that are looked at, in all folders together: a whole disk must not be walked for a file.
const MOST_ENTRIES: usize = 200_000;
/// Places that are told.
const MOST_PLACES: usize = 8;

/// A file by what is known of it before its content is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Its name, without folders.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The places where these files lie together, side by side, as the parts of one model have to; each place with the files'
/// paths in the order of `sought`. Links are followed.
pub fn find(folders: &[PathBuf], sought: &[Sought]) -> Vec<Vec<PathBuf>> {
    let mut found: Vec<Vec<PathBuf>> = Vec::new();
    let mut seen = 0;
    let mut waiting: Vec<(PathBuf, usize)> = folders.iter().rev().map(|folder| (folder.clone(), 0)).collect();
    while let Some((folder, depth)) = waiting.pop() {
        if let Some(place) = all_in(&folder, sought)
            && !found.contains(&place)
        {
            found.push(place);
        }
        if depth == DEEPEST || found.len() == MOST_PLACES {
            continue;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST_ENTRIES {
                return found;
            }
            // Links to folders are followed: ComfyUI's models often lie on another disk. The depth bounds circles.
            let path = entry.path();
            if path.is_dir() {
                waiting.push((path, depth + 1));
            }
        }
    }
    found
}

fn all_in(folder: &Path, sought: &[Sought]) -> Option<Vec<PathBuf>> {
    let there = |sought: &Sought| {
        let path = folder.join(&sought.name);
        let data = fs::metadata(&path).ok()?;
        (data.is_file() && data.len() == sought.size).then_some(path)
    };
    sought.iter().map(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(name: &str) -> Sought {
        Sought {
            name: name.into(),
            size: 3,
        }
    }

    #[test]
    fn files_are_found_together_by_name_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for (path, text) in [
            ("a/m-1.gguf", "abc"),
            ("b/c/m-1.gguf", "abc"),
            ("b/c/m-2.gguf", "abc"),
            ("d/m-1.gguf", "abcd"),
            ("1/2/3/4/5/6/7/m-1.gguf", "abc"),
        ] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        }
        let folders = [folder.path().to_owned(), at("missing")];
        let mut one = find(&folders, &[sought("m-1.gguf")]);
        one.sort();
        assert_eq!(
            one,
            [[at("a/m-1.gguf")], [at("b/c/m-1.gguf")]],
            "by size, and not too deep"
        );
        let both = find(&folders, &[sought("m-1.gguf"), sought("m-2.gguf")]);
        assert_eq!(both, [[at("b/c/m-1.gguf"), at("b/c/m-2.gguf")]]);
        assert!(find(&folders, &[sought("other.gguf")]).is_empty());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path(), at("a/circle")).unwrap();
            assert!(!find(&folders, &[sought("m-2.gguf")]).is_empty());
        }
    }
}
