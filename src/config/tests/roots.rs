//! What may be read.

use std::fs;
use std::path::Path;

use super::*;

fn allowed(place: &Place) -> Roots {
    place.resolve(&[]).unwrap().roots(Transport::Stdio).unwrap()
}

#[test]
fn files_below_a_root_are_allowed() {
    let place = Place::new();
    fs::create_dir(place.at("home/a folder")).unwrap();
    let file = place.at("home/a folder/study: dusk.png");
    fs::write(&file, "x").unwrap();
    let roots = allowed(&place);
    assert_eq!(roots.allow(&file).unwrap(), file);
    let uri = Url::from_file_path(&file).unwrap();
    assert!(uri.as_str().contains("%20"));
    for asked in [
        "~/a folder/study: dusk.png",
        "../home/a folder/study: dusk.png",
        uri.as_str(),
    ] {
        assert_eq!(roots.allow(asked).unwrap(), file, "{asked}");
    }
}

#[test]
fn everything_else_is_refused() {
    let place = Place::new();
    fs::write(place.at("cwd/secret.png"), "x").unwrap();
    fs::create_dir(place.at("home/folder")).unwrap();
    let roots = allowed(&place);
    for asked in [
        "secret.png",
        "~/../cwd/secret.png",
        "/etc/hostname",
        // Not there, and outside: the same answer, so that nothing can be probed.
        "/etc/no such file",
        "~/../cwd/absent.png",
        "",
    ] {
        let error = roots.allow(asked).unwrap_err();
        assert!(matches!(error, RootError::Outside { .. }), "{asked}: {error:?}");
        assert!(error.to_string().contains(&place.at("home").display().to_string()));
        assert!(error.hint().contains("--root"));
    }
    let error = roots.allow("~/absent/deep.png").unwrap_err();
    assert!(matches!(error, RootError::Unreachable { .. }), "{error:?}");
    for folder in ["~", "~/folder"] {
        let error = roots.allow(folder).unwrap_err();
        assert!(matches!(error, RootError::NotAFile { .. }), "{error:?}");
    }
    for (address, wanted) in [
        ("https://example.org/a.png", "https"),
        ("HTTP://example.org/a.png", "http"),
        ("data:image/png;base64,AAAA", "data"),
        ("ftp://example.org/a.png", "ftp"),
    ] {
        match roots.allow(address).unwrap_err() {
            RootError::Address { scheme } => assert_eq!(scheme, wanted),
            other => panic!("{other:?}"),
        }
    }
    let error = roots.allow("file://elsewhere.example/a.png").unwrap_err();
    assert!(matches!(error, RootError::Uri { .. }), "{error:?}");
    // A folder whose name merely begins like the root's is outside.
    fs::create_dir(place.at("home2")).unwrap();
    fs::write(place.at("home2/a.png"), "x").unwrap();
    assert!(roots.allow(place.at("home2/a.png")).is_err());
}

#[cfg(unix)]
#[test]
fn links_are_followed_before_it_is_decided() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    fs::write(place.at("cwd/secret.png"), "x").unwrap();
    fs::write(place.at("home/mine.png"), "x").unwrap();
    symlink(place.at("cwd/secret.png"), place.at("home/innocent.png")).unwrap();
    symlink(place.at("cwd"), place.at("home/folder")).unwrap();
    symlink(place.at("home/mine.png"), place.at("cwd/way-in.png")).unwrap();
    symlink(place.at("home"), place.at("linked-home")).unwrap();
    let roots = allowed(&place);
    for asked in ["~/innocent.png", "~/folder/secret.png", "~/folder/absent.png"] {
        let error = roots.allow(asked).unwrap_err();
        assert!(matches!(error, RootError::Outside { .. }), "{asked}: {error:?}");
    }
    let mine = place.at("home/mine.png");
    assert_eq!(roots.allow("way-in.png").unwrap(), mine);
    let linked = Roots::new(vec![place.at("linked-home")], None, place.at("cwd"));
    assert_eq!(linked.allow(&mine).unwrap(), mine, "a root may be a link");
    let error = linked.allow("~/mine.png").unwrap_err();
    assert!(matches!(error, RootError::NoHome { .. }), "{error:?}");
    assert!(linked.allow(Path::new("/dev/null")).is_err());
}
