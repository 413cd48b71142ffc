//! The judge that ships inside the binary, for whoever has configured none.

use std::io;
use std::path::{Path, PathBuf};

use files::replace::replace;

/// The language model.
const MODEL: &[u8] = include_bytes!("../gguf/bundled-judge/bundled-qwen3vl.gguf");
/// Its projector.
const MMPROJ: &[u8] = include_bytes!("../gguf/bundled-judge/bundled-mmproj.gguf");

/// Tokens a picture gets with the bundled judge: it was trained on pictures of 128 pixels a side.
pub const IMAGE_TOKENS: u32 = 16;
/// The rubric of calls that name none: the bundled judge has seen rendered scenes and nothing else.
pub const RUBRIC: &str = "scenes";

/// The two files, written below `folder` when they are not there yet.
///
/// # Errors
/// When the folder cannot be written.
pub fn install(folder: &Path) -> io::Result<(PathBuf, PathBuf)> {
    std::fs::create_dir_all(folder)?;
    // Named by size and crate version, so that another release's files are never taken for these.
    let put = |name: &str, bytes: &[u8]| -> io::Result<PathBuf> {
        let path = folder.join(format!("{name}-{}-{}.gguf", env!("CARGO_PKG_VERSION"), bytes.len()));
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(path);
        }
        // Several processes may do this at once: each writes a file of its own and renames it.
        replace(&path, bytes)?;
        Ok(path)
    };
    Ok((put("bundled-judge", MODEL)?, put("bundled-mmproj", MMPROJ)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_are_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (model, mmproj) = install(folder.path()).unwrap();
        assert_eq!(std::fs::read(&mmproj).unwrap(), MMPROJ);
        std::fs::write(&model, b"damaged").unwrap();
        let (again, _) = install(folder.path()).unwrap();
        assert_eq!(again, model);
        assert_eq!(std::fs::read(&model).unwrap(), MODEL);
    }
}
