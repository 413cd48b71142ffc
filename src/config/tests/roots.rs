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
    for (address, wanted, advice) in [
        (
            "https://example.org/a.png",
            "https: URIs are not read",
            "Save it as a file",
        ),
        (
            "HTTP://example.org/a.png",
            "http: URIs are not read",
            "Save it as a file",
        ),
        (
            "data:image/png;base64,AAAA",
            "data: URIs are not read",
            "Decode it into a file",
        ),
        (" DATA:,x", "data: URIs are not read", "Decode it into a file"),
        ("ftp://example.org/a.png", "ftp: URIs are not read", "Save it as a file"),
    ] {
        let error = roots.allow(address).unwrap_err();
        assert!(matches!(error, RootError::Address { .. }), "{address}: {error:?}");
        assert!(error.to_string().contains(wanted), "{error}");
        // Where to, since not every folder can be read from.
        let folder = place.at("home").display().to_string();
        let hint = error.hint();
        assert!(hint.contains(advice) && hint.contains(&folder), "{hint}");
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
    // Whether there is something at the end of a link is not to be learnt either.
    symlink(place.at("cwd/absent.png"), place.at("home/dangling.png")).unwrap();
    symlink(place.at("cwd/absent"), place.at("home/no-folder")).unwrap();
    symlink(place.at("home/round.png"), place.at("home/round.png")).unwrap();
    let roots = allowed(&place);
    for asked in [
        "~/innocent.png",
        "~/folder/secret.png",
        "~/folder/absent.png",
        "~/dangling.png",
        "~/no-folder/a.png",
        "~/round.png",
    ] {
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

#[test]
fn what_is_longer_than_a_path_is_not_echoed() {
    let place = Place::new();
    let roots = allowed(&place);
    // A picture's bytes as text, as an agent may pass them.
    let error = roots.allow("iVBORw0KGgo".repeat(10_000)).unwrap_err();
    assert!(matches!(error, RootError::NotAPath { bytes: 110_000, .. }), "{error:?}");
    let told = format!("{error} {}", error.hint());
    assert!(
        told.contains("\"iVBORw0KGgo") && told.contains("pass that file's path"),
        "{told}"
    );
    assert!(told.len() < 600, "{told}");
    for asked in [format!("~/{}.png", "é".repeat(2000)), format!("/{}", "x/".repeat(2000))] {
        let told = roots.allow(&asked).unwrap_err().to_string();
        assert!(told.chars().count() < 600, "{told}");
    }
}

/// What stands at a path is swapped for a link to a secret and back, as fast as it goes.
#[cfg(unix)]
#[test]
fn a_link_put_in_the_way_meanwhile_is_not_followed() {
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    let place = Place::new();
    let [asked, link, file] = ["home/a.png", "home/link", "home/file"].map(|path| place.at(path));
    let (secret, done) = (place.at("cwd/secret.png"), AtomicBool::new(false));
    fs::write(&secret, "secret").unwrap();
    fs::write(&asked, "mine").unwrap();
    let roots = allowed(&place);
    let read = || match roots.open(&asked) {
        Ok(mut opened) => {
            let mut text = String::new();
            opened.file.read_to_string(&mut text).map(|_| text).unwrap_or_default()
        }
        Err(RootError::Outside { .. } | RootError::Unreachable { .. }) => "refused".to_owned(),
        Err(error) => format!("{error:?}"),
    };
    let seen: Vec<String> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                symlink(&secret, &link).unwrap();
                fs::rename(&link, &asked).unwrap();
                fs::write(&file, "mine").unwrap();
                fs::rename(&file, &asked).unwrap();
            }
        });
        let seen = (0..20_000).map(|_| read()).collect();
        done.store(true, Ordering::Relaxed);
        seen
    });
    assert!(seen.iter().all(|text| text == "mine" || text == "refused"), "a secret");
    assert!(seen.iter().any(|text| text == "mine"), "it was never a file");
}
