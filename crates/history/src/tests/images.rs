//! The folder of images.

use std::fs;

use types::PictureFormat;

use super::*;

#[tokio::test]
async fn an_image_is_kept_once_under_its_hash() {
    let (folder, store) = store();
    let stored = store.put_image(PNG.to_vec()).await.unwrap();
    let hash = stored.hash.to_string();
    assert_eq!(
        stored.path,
        folder
            .path()
            .join("images")
            .join(&hash[..2])
            .join(format!("{hash}.png"))
    );
    assert_eq!(fs::read(&stored.path).unwrap(), PNG);
    // A second name for the very file: a rename would put another one in its place.
    let alias = folder.path().join("alias");
    fs::hard_link(&stored.path, &alias).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    fs::File::options()
        .append(true)
        .open(&alias)
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_eq!(store.put_image(PNG.to_vec()).await.unwrap(), stored);
    let touched = fs::metadata(&alias).unwrap().modified().unwrap();
    assert!(touched > old, "written once, and wanted again");
    let left: Vec<_> = fs::read_dir(stored.path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "no partial file is left");
    let (found, bytes) = store.read_image(&stored.hash, Verify::Hash).await.unwrap();
    assert_eq!((found, bytes.as_slice()), (stored, PNG));
    assert!(!store.database_path().exists(), "images do not need the database");
}

#[tokio::test]
async fn damage_is_seen_and_mended() {
    let (_folder, store) = store();
    let stored = store.put_image(PNG.to_vec()).await.unwrap();
    let mut damaged = PNG.to_vec();
    damaged[60] ^= 1;
    fs::write(&stored.path, &damaged).unwrap();
    let error = store.read_image(&stored.hash, Verify::Hash).await.unwrap_err();
    assert!(matches!(error, HistoryError::ImageDamaged { .. }), "{error:?}");
    let (_, unverified) = store.read_image(&stored.hash, Verify::No).await.unwrap();
    assert_eq!(unverified, damaged);
    store.put_image(PNG.to_vec()).await.unwrap();
    store.read_image(&stored.hash, Verify::Hash).await.unwrap();
    fs::remove_file(&stored.path).unwrap();
    let error = store.find_image(&stored.hash).await.unwrap_err();
    assert!(matches!(error, HistoryError::ImageMissing { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let (folder, store) = store();
    for bytes in [&b""[..], b"<html>", &PNG[1..]] {
        let error = store.put_image(bytes.to_vec()).await.unwrap_err();
        assert!(matches!(error, HistoryError::NoImage { .. }), "{error:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
}

#[tokio::test]
async fn an_image_folder_that_is_a_file_is_named() {
    let (folder, store) = store();
    fs::write(folder.path().join("images"), b"in the way").unwrap();
    let error = store.put_image(PNG.to_vec()).await.unwrap_err();
    assert!(matches!(error, HistoryError::Folder { .. }), "{error:?}");
    assert!(error.hint().contains("--data-dir"));
}

#[test]
fn formats_are_told_by_their_first_bytes() {
    for (bytes, format) in [
        (PNG, PictureFormat::Png),
        (b"\xff\xd8\xff\xe0".as_slice(), PictureFormat::Jpeg),
        (b"RIFF\x10\0\0\0WEBPVP8 ", PictureFormat::Webp),
        (b"GIF89a", PictureFormat::Gif),
        (b"BM\x46\0\0\0\0\0\0\0", PictureFormat::Bmp),
        (b"II*\0", PictureFormat::Tiff),
        (b"MM\0*", PictureFormat::Tiff),
        (b"MM\0+", PictureFormat::Tiff),
    ] {
        assert_eq!(PictureFormat::of(bytes), Some(format));
    }
    assert_eq!(PictureFormat::of(b"RIFF\x10\0\0\0WAVE"), None);
}

#[tokio::test]
async fn what_a_killed_process_left_goes_and_nothing_else() {
    let (_folder, store) = store();
    let stored = store.put_image(PNG.to_vec()).await.unwrap();
    let shelf = stored.path.parent().unwrap();
    let put = |name: &str, hours: u64| {
        let path = shelf.join(name);
        let file = fs::File::create_new(&path).unwrap();
        let at = std::time::SystemTime::now() - std::time::Duration::from_secs(hours * 3_600);
        file.set_modified(at).unwrap();
        path
    };
    let id = "6b1c0e1a-0000-4000-8000-000000000000";
    let left = put(&format!("{id}.partial"), 2);
    let others = [
        put("6b1c0e1a-0000-4000-8000-000000000001.partial", 0),
        put("holiday.partial", 2),
        put("6b1c0e1a-0000-1000-8000-000000000000.partial", 2),
        put(&format!("{id}.png"), 2),
        put("notes.txt", 2),
    ];
    store.tidy().await.unwrap();
    assert!(!left.exists());
    for other in others.iter().chain([&stored.path]) {
        assert!(other.exists(), "{}", other.display());
    }
    assert!(!store.database_path().exists(), "start-up does not open the history");
}
