//! What the layers may know of each other, where no crate's border says it: ARCHITECTURE.md has the map, this holds the code to it.
//!
//! A rule that fails names the file, the line and what to do. The exceptions are counted, so that none comes unseen and none
//! stays that is not needed any more.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::{Named, Placed, Source, Token, declared, names, sources};

/// What each module of the program may name: other modules of it, and our crates. `hints` is a test.
const MODULES: [(&str, &[&str]); 11] = [
    ("bench", &["imaging", "judge", "llama", "scenes", "types"]),
    ("bundled", &["files"]),
    (
        "cli",
        &[
            "bench",
            "bundled",
            "calibration",
            "clients",
            "comfyui",
            "config",
            "eval",
            "files",
            "history",
            "hub",
            "imaging",
            "judge",
            "llama",
            "machine",
            "mcp",
            "report",
            "session",
            "signals",
            "telemetry",
            "text",
            "types",
        ],
    ),
    ("clients", &["config", "files", "types"]),
    ("config", &["files", "hub", "types"]),
    ("machine", &[]),
    (
        "mcp",
        &[
            "calibration",
            "history",
            "imaging",
            "judge",
            "report",
            "session",
            "telemetry",
            "text",
            "types",
        ],
    ),
    (
        "report",
        &["calibration", "history", "judge", "session", "text", "types"],
    ),
    (
        "session",
        &[
            "calibration",
            "comfyui",
            "config",
            "files",
            "history",
            "imaging",
            "judge",
            "safety",
            "text",
            "types",
        ],
    ),
    ("signals", &[]),
    ("telemetry", &["config", "text", "types"]),
];

/// Which of our crates may need which, but for their tests.
const CRATES: [(&str, &[&str]); 13] = [
    ("calibration", &["judge", "types"]),
    ("comfyui", &["imaging", "text", "types"]),
    (
        "eval",
        &["calibration", "files", "imaging", "judge", "scenes", "text", "types"],
    ),
    ("files", &[]),
    ("history", &["text", "types"]),
    ("hub", &["files", "text", "types"]),
    ("imaging", &["text", "types"]),
    ("judge", &["imaging", "safety", "types"]),
    ("llama", &["files", "imaging", "judge", "types"]),
    ("safety", &["types"]),
    ("scenes", &["text"]),
    ("text", &[]),
    ("types", &["text"]),
];

/// Names that belong to one place: the crates' or modules' names, where they may stand, and why.
const BELONGS: [(&[&str], &[&str], &str); 7] = [
    (
        &["rmcp"],
        &["src/mcp/"],
        "the protocol's library is changed or replaced in one place",
    ),
    (
        &["axum", "hyper", "hyper_util"],
        &["src/mcp/transport/"],
        "the server's connections have their limits there",
    ),
    (
        &["llama_cpp_2", "llama_cpp_sys_2"],
        &["crates/llama/"],
        "what is unsafe or of one engine stays with that engine",
    ),
    (
        &["rusqlite"],
        &["crates/history/", "crates/types/src/sqlite.rs"],
        "whoever else needs rows asks the store",
    ),
    (
        &["tokio_tungstenite"],
        &["crates/comfyui/"],
        "only ComfyUI is spoken to so",
    ),
    (
        &["indicatif"],
        &["src/cli/show.rs"],
        "what a person sees is shown in one place",
    ),
    (
        &["comfy_table"],
        &["src/cli/show.rs", "crates/eval/src/table.rs"],
        "tables are drawn in one place",
    ),
];

/// What is left of what the rules forbid: the rule, the file, in how many lines. It may only become shorter.
const EXCEPTIONS: [(&str, &str, usize); 10] = [
    ("environment", "src/cli/setup.rs", 1),
    // The judge that answers in JSON, which `eval` has for comparison, is timed too.
    ("modules", "src/bench/mod.rs", 1),
    // Which lines of the log are the engine's.
    ("modules", "src/telemetry.rs", 1),
    // A conversation at the terminal.
    ("printing", "src/cli/init/mod.rs", 2),
    // The frames of the judge's process.
    ("printing", "crates/llama/src/cpp/child.rs", 1),
    ("seam", "src/mcp/call.rs", 1),
    ("seam", "src/mcp/completions.rs", 4),
    ("seam", "src/mcp/resources/mod.rs", 2),
    ("seam", "src/mcp/tools/get_history/mod.rs", 1),
    ("seam", "src/mcp/tools/mod.rs", 1),
];

/// Something that a rule forbids, and where.
struct Broken {
    rule: &'static str,
    place: String,
    line: usize,
    what: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program's sources; `hints` is compiled for tests only.
fn program() -> Vec<Source> {
    let mut all = sources(root(), "src");
    all.retain(|source| !source.place.starts_with("src/hints"));
    assert!(all.len() > 100, "{} files", all.len());
    all
}

fn everything() -> Vec<Source> {
    let mut all = program();
    for (name, folder) in crates() {
        let of_crate = sources(root(), &format!("{folder}/src"));
        assert!(!of_crate.is_empty(), "{name}");
        all.extend(of_crate);
    }
    all
}

/// Our crates by the names that code uses, with their folders.
fn crates() -> BTreeMap<String, String> {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(Result::unwrap);
    folders
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .map(|name| (name.replace('-', "_"), format!("crates/{name}")))
        .collect()
}

/// Fails with everything that is broken and is no exception, and with exceptions that are not needed.
#[track_caller]
fn holds(rule: &str, broken: &[Broken]) {
    let mut by_file: BTreeMap<&str, Vec<&Broken>> = BTreeMap::new();
    for one in broken {
        by_file.entry(&one.place).or_default().push(one);
    }
    let mut problems = Vec::new();
    for (place, all) in &by_file {
        let allowed = EXCEPTIONS.iter().find(|(of, at, _)| *of == rule && at == place);
        if allowed.map_or(0, |(_, _, count)| *count) < all.len() {
            problems.extend(
                all.iter()
                    .map(|one| format!("{place}:{}: {}: {}", one.line, one.what, one.rule)),
            );
        }
    }
    for (of, place, count) in EXCEPTIONS {
        let found = by_file.get(place).map_or(0, Vec::len);
        if of == rule && found < count {
            problems.push(format!(
                "{place}: {found} instead of {count} now: shorten the list in tests/it/layers.rs"
            ));
        }
    }
    assert!(problems.is_empty(), "{rule}:\n{}", problems.join("\n"));
}

/// The names of crates or of the program's modules that paths start with, as they are meant in this file, with their lines.
fn roots<'a>(source: &Source, tokens: &[Placed<'a>]) -> BTreeSet<(&'a str, usize)> {
    let all = names(tokens);
    // A name that the file itself gives to something else is no crate's.
    let mut own = declared(tokens);
    own.extend(
        all.iter()
            .filter(|named| named.path.len() > 1)
            .filter_map(|named| named.here),
    );
    let depth = source.place.trim_end_matches("/mod.rs").matches('/').count();
    let meant = |named: &Named<'a>| {
        let above = named.path.iter().take_while(|word| **word == "super").count();
        match named.path[..] {
            ["crate", module, ..] => Some(module),
            ["super", ..] if above == depth => named.path.get(above).copied(),
            ["super" | "self" | "crate", ..] => None,
            [name, ..] if !own.contains(name) => Some(name),
            _ => None,
        }
    };
    all.iter()
        .filter_map(|named| Some((meant(named)?, named.line)))
        .collect()
}

#[test]
fn modules_name_only_what_lies_below_them() {
    let crates = crates();
    let known: BTreeSet<&str> = MODULES
        .iter()
        .map(|(module, _)| *module)
        .chain(crates.keys().map(String::as_str))
        .collect();
    let mut broken = Vec::new();
    for source in program() {
        let of = source.place["src/".len()..].split(['/', '.']).next().unwrap();
        if matches!(of, "lib" | "main") {
            continue;
        }
        let Some((_, may)) = MODULES.iter().find(|(module, _)| *module == of) else {
            panic!("src/{of} is new: say in tests/it/layers.rs what it may name");
        };
        for (name, line) in roots(&source, &source.tokens()) {
            if name != of && known.contains(name) && !may.contains(&name) {
                broken.push(Broken {
                    rule: "it lies above or beside; pass what is needed down, or move it to where both may see it",
                    place: source.place.clone(),
                    line,
                    what: format!("`{of}` must not name `{name}`"),
                });
            }
        }
    }
    holds("modules", &broken);
}

#[test]
fn our_crates_need_only_those_below_them() {
    let crates = crates();
    for (name, folder) in &crates {
        let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let Some((_, may)) = CRATES.iter().find(|(of, _)| of == name) else {
            panic!("{folder} is new: say in tests/it/layers.rs which of our crates it may need");
        };
        let needed = manifest.get("dependencies").and_then(toml::Value::as_table);
        let needed = needed.into_iter().flat_map(toml::Table::keys);
        for other in needed.filter(|other| crates.contains_key(other.as_str())) {
            assert!(
                may.contains(&other.as_str()),
                "{folder}/Cargo.toml: `{name}` must not need `{other}`: it lies above or beside"
            );
        }
    }
}

#[test]
fn libraries_are_named_where_they_belong() {
    let mut broken = Vec::new();
    for source in everything() {
        for (name, line) in roots(&source, &source.tokens()) {
            for (names, places, why) in BELONGS {
                if names.contains(&name) && !places.iter().any(|place| source.place.starts_with(place)) {
                    broken.push(Broken {
                        rule: why,
                        place: source.place.clone(),
                        line,
                        what: format!("`{name}` belongs in {}", places.join(" or ")),
                    });
                }
            }
        }
    }
    holds("libraries", &broken);
}

#[test]
fn one_place_reads_the_environment() {
    const READS: [&str; 9] = [
        "args",
        "args_os",
        "current_dir",
        "home_dir",
        "set_current_dir",
        "var",
        "var_os",
        "vars",
        "vars_os",
    ];
    let mut broken = Vec::new();
    for source in everything()
        .iter()
        .filter(|source| !source.place.starts_with("src/config/"))
    {
        for named in names(&source.tokens()) {
            let read = named
                .path
                .windows(2)
                .find(|pair| pair[0] == "env" && READS.contains(&pair[1]));
            if let Some([_, read]) = read {
                broken.push(Broken {
                    rule: "`config` reads the environment once; ask its `Environment`",
                    place: source.place.clone(),
                    line: named.line,
                    what: format!("env::{read}"),
                });
            }
        }
    }
    holds("environment", &broken);
}

#[test]
fn one_place_prints() {
    const PLACES: [&str; 2] = ["src/cli/show.rs", "src/mcp/transport/stdio.rs"];
    const PRINTS: [&str; 5] = ["dbg", "eprint", "eprintln", "print", "println"];
    let mut broken = Vec::new();
    for source in everything()
        .iter()
        .filter(|source| !PLACES.contains(&source.place.as_str()))
    {
        let tokens = source.tokens();
        for three in tokens.windows(3) {
            let what = match (three[0].0, three[1].0, three[2].0) {
                (_, Token::Word(word), Token::Sign('!')) if PRINTS.contains(&word) => word,
                (Token::Into, Token::Word(word @ ("stdout" | "stderr")), Token::Sign('(')) => word,
                _ => continue,
            };
            broken.push(Broken {
                rule: "what a person reads is printed by `cli::show`, and standard output may be the protocol's",
                place: source.place.clone(),
                line: three[1].1,
                what: what.to_owned(),
            });
        }
    }
    holds("printing", &broken);
}

#[test]
fn the_server_asks_the_session_and_not_what_lies_behind_it() {
    let mut broken = Vec::new();
    for source in program().iter().filter(|source| source.place.starts_with("src/mcp/")) {
        let tokens = source.tokens();
        for three in tokens.windows(3) {
            if let [
                (Token::Sign('.'), _),
                (Token::Word(part @ ("comfy" | "judge" | "store")), line),
                (Token::Sign('('), _),
            ] = three
            {
                broken.push(Broken {
                    rule: "a tool's call is thin; `session` does the work, so that it is one for every transport and command",
                    place: source.place.clone(),
                    line: *line,
                    what: format!("reaches past `session` by `.{part}()`"),
                });
            }
        }
    }
    holds("seam", &broken);
}
