//! Finds the prompt in graphs with nodes of packs, described or not: `fixtures/strange/README.md` says how they are labelled.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::labels::{Label, Outcome, is_literal, keys, outcome};
use comfyui::graph::Graph;
use comfyui::inject::{Finding, Role, find, prove};
use comfyui::knobs::{Edits, apply};
use comfyui::lint;
use comfyui::object_info::ObjectInfo;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How much the server says of its classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Described {
    /// All that the graph uses.
    All,
    /// The core's classes.
    Core,
    /// None.
    Nothing,
}

impl Described {
    const ALL: [Self; 3] = [Self::All, Self::Core, Self::Nothing];
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    definitions: Map<String, Value>,
    graphs: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    reason: String,
    labels: BTreeMap<String, Value>,
    #[serde(default)]
    core: BTreeMap<String, Value>,
    #[serde(default)]
    none: BTreeMap<String, Value>,
    #[serde(default)]
    never: BTreeSet<String>,
    graph: Value,
}

/// One graph with what a person finds in it.
struct Strange {
    /// File and graph.
    name: String,
    entry: Entry,
    graph: Graph,
}

impl Strange {
    /// What is right: the label, and what is right as well where less is described.
    fn labels(&self, role: Role, described: Described) -> Vec<Label> {
        let further = match described {
            Described::All => None,
            Described::Core => self.entry.core.get(role.name()),
            Described::Nothing => self.entry.none.get(role.name()),
        };
        let label = self.entry.labels.get(role.name()).expect("a label for every role");
        [Some(label), further]
            .into_iter()
            .flatten()
            .map(Label::from_json)
            .collect()
    }
}

/// The graphs of one file, and definitions for each way of describing them.
struct Class {
    graphs: Vec<Strange>,
    definitions: [ObjectInfo; 3],
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/strange")
}

fn core() -> Map<String, Value> {
    let read = |path: PathBuf| -> Map<String, Value> { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let mut core = read(folder().join("../object_info.json"));
    core.extend(read(folder().join("core.json")));
    core
}

fn classes() -> Vec<Class> {
    let core = core();
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json") && !path.ends_with("core.json"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let file: File = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let mut all = core.clone();
            all.extend(file.definitions);
            let definitions = [
                ObjectInfo::from_json(&Value::Object(all)),
                ObjectInfo::from_json(&Value::Object(core.clone())),
                ObjectInfo::default(),
            ];
            let graphs = file
                .graphs
                .into_iter()
                .map(|(name, entry)| Strange {
                    name: format!("{stem}/{name}"),
                    graph: Graph::from_json(entry.graph.clone()).unwrap(),
                    entry,
                })
                .collect();
            Class { graphs, definitions }
        })
        .collect()
}

/// What was answered for one role of many graphs.
#[derive(Default)]
struct Measured {
    tallies: BTreeMap<Role, BTreeMap<Outcome, usize>>,
    /// What is neither right nor rightly asked, in words.
    others: Vec<(Outcome, String)>,
    /// Places that no role may offer, in words.
    noise: Vec<String>,
    graphs: usize,
}

impl Measured {
    fn count(&self, role: Role, outcome: Outcome) -> usize {
        self.tallies[&role].get(&outcome).copied().unwrap_or(0)
    }

    fn of(&self, outcome: Outcome) -> Vec<&String> {
        self.others
            .iter()
            .filter(|(it, _)| *it == outcome)
            .map(|(_, what)| what)
            .collect()
    }
}

fn measure(described: Described) -> Measured {
    let mut measured = Measured::default();
    for class in classes() {
        let info = &class.definitions[described as usize];
        for strange in &class.graphs {
            let name = &strange.name;
            let roles = find(&strange.graph, info);
            measured.graphs += 1;
            for role in Role::ALL {
                let finding = roles.get(role);
                let found = keys(finding);
                let labels = strange.labels(role, described);
                let outcome = labels.iter().map(|label| outcome(finding, label)).min().unwrap();
                *measured.tallies.entry(role).or_default().entry(outcome).or_default() += 1;
                if outcome > Outcome::RightlyAsked {
                    let what = format!("{name} {role}: {outcome:?}: got {found:?}, right is {labels:?}");
                    measured.others.push((outcome, what));
                }
                for place in strange.entry.never.intersection(&found) {
                    measured.noise.push(format!("{name} {role}: {place}"));
                }
            }
        }
    }
    measured
}

/// The table of docs/workflows.md, value by value: `cargo test -p prompt-calibrator-comfyui --test it inject_strange::table -- --nocapture`.
#[test]
fn table_of_what_is_found() {
    let page = fs::read_to_string(folder().join("../../../docs/workflows.md")).unwrap();
    for described in Described::ALL {
        let measured = measure(described);
        println!("\n{} graphs, described: {described:?}", measured.graphs);
        println!(
            "| role | right | rightly asked | needlessly asked | not found | wrong |\n| --- | --- | --- | --- | --- | --- |"
        );
        for role in Role::ALL {
            let [right, rightly, needlessly, missed, wrong] = Outcome::ALL.map(|outcome| measured.count(role, outcome));
            println!("| {role} | {right} | {rightly} | {needlessly} | {missed} | {wrong} |");
        }
        for what in measured.others.iter().map(|(_, what)| what) {
            println!("{what}");
        }
        for what in &measured.noise {
            println!("noise: {what}");
        }
        let all = Outcome::ALL.map(|outcome| {
            let count: usize = Role::ALL.iter().map(|role| measured.count(*role, outcome)).sum();
            // With a comma, as a reader wants it.
            if count < 1000 {
                count.to_string()
            } else {
                format!("{},{:03}", count / 1000, count % 1000)
            }
        });
        let server = if described == Described::All {
            "all node classes"
        } else {
            "ComfyUI's own, or none"
        };
        let row = format!("| {server} | {} |", all.join(" | "));
        assert!(
            page.lines().any(|line| line == row),
            "docs/workflows.md says something else than {row}"
        );
    }
}

#[test]
fn nothing_would_be_written_to_a_wrong_place() {
    for described in Described::ALL {
        let measured = measure(described);
        let wrong = measured.of(Outcome::Wrong);
        assert!(wrong.is_empty(), "described: {described:?}: {wrong:#?}");
    }
}

#[test]
fn what_a_reader_knows_is_seldom_asked_and_seldom_missed() {
    for described in Described::ALL {
        let measured = measure(described);
        for role in Role::ALL {
            for outcome in [Outcome::NeedlesslyAsked, Outcome::Missed] {
                let count = measured.count(role, outcome);
                assert!(
                    count * 20 <= measured.graphs,
                    "described: {described:?}: {role}: {count} of {} are {outcome:?}: {:#?}",
                    measured.graphs,
                    measured.of(outcome)
                );
            }
        }
    }
}

#[test]
fn names_choices_and_keys_are_never_offered() {
    for described in Described::ALL {
        let noise = measure(described).noise;
        assert!(noise.is_empty(), "described: {described:?}: {noise:#?}");
    }
}

#[test]
fn what_is_written_is_proven_to_arrive() {
    for class in classes() {
        let info = &class.definitions[Described::All as usize];
        for Strange { name, graph, .. } in &class.graphs {
            let roles = find(graph, info);
            let Finding::Found { places, .. } = roles.get(Role::Positive) else {
                continue;
            };
            let edits = Edits {
                positive: Some("a red fox".to_owned()),
                ..Edits::default()
            };
            let applied = apply(graph, &roles, info, &edits).unwrap_or_else(|error| panic!("{name}: {error}"));
            let changed: BTreeSet<String> = applied
                .changes
                .iter()
                .map(|change| format!("{}.{}", change.node, change.input))
                .collect();
            assert_eq!(changed, places.iter().map(|place| place.key()).collect(), "{name}");
            let (graph, roles) = (&applied.graph, &applied.roles);
            let proof = prove(graph, &graph.to_json(), "a red fox", roles, info, roles.outputs());
            assert!(proof.is_ok(), "{name}: {proof:?}");
        }
    }
}

#[test]
fn every_graph_is_sound_and_every_label_names_what_is_there() {
    let mut graphs = 0;
    for class in classes() {
        for strange in &class.graphs {
            let name = &strange.name;
            graphs += 1;
            assert!(!strange.entry.reason.is_empty(), "{name}");
            let problems: Vec<_> = lint::check(&strange.graph, &class.definitions[Described::All as usize])
                .into_iter()
                // The models are invented.
                .filter(|problem| {
                    problem.kind != lint::ProblemKind::BadValue && problem.severity == lint::Severity::Fatal
                })
                .collect();
            assert!(problems.is_empty(), "{name}: {problems:?}");
            let labelled = Role::ALL
                .into_iter()
                .flat_map(|role| [Described::Core, Described::Nothing].map(|described| strange.labels(role, described)))
                .flatten()
                .flat_map(|label| label.places());
            for place in labelled.chain(strange.entry.never.iter().cloned()) {
                assert!(is_literal(&strange.graph, &place), "{name}: {place}");
            }
        }
    }
    assert!(graphs >= 60, "{graphs} graphs");
}
