//! Finds the prompt in real workflows. The expectations were labelled by reading the graphs, not by running the finder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::labels::{Label, Outcome, is_literal, outcome};
use comfyui::graph::Graph;
use comfyui::inject::{Finding, Role, find, prove, report};
use comfyui::knobs::{Edits, InjectError, apply, with_seed};
use comfyui::lint;
use comfyui::object_info::ObjectInfo;
use serde_json::Value;

struct Truth {
    name: String,
    /// A picture is what the workflow makes.
    makes_pictures: bool,
    labels: BTreeMap<Role, Label>,
}

fn truth() -> Vec<Truth> {
    let text = fs::read(fixtures().join("workflows/truth.json")).unwrap();
    let all: BTreeMap<String, Value> = serde_json::from_slice(&text).unwrap();
    all.into_iter()
        .map(|(name, entry)| Truth {
            name,
            makes_pictures: entry["kind"].as_str().unwrap().starts_with("image"),
            labels: Role::ALL
                .iter()
                .map(|role| {
                    let label = entry.get(role.name()).expect("a label for every role");
                    (*role, Label::from_json(label))
                })
                .collect(),
        })
        .collect()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn workflow(name: &str) -> Graph {
    let path = fixtures().join("workflows").join(format!("{name}.json"));
    Graph::parse(&fs::read(&path).unwrap()).unwrap()
}

fn definitions() -> ObjectInfo {
    let text = fs::read(fixtures().join("object_info.json")).unwrap();
    ObjectInfo::from_json(&serde_json::from_slice(&text).unwrap())
}

/// One role over many workflows.
#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<Outcome, usize>,
    questions: usize,
}

impl Tally {
    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    fn without_asking(&self) -> f64 {
        let all: usize = self.outcomes.values().sum();
        (all - self.questions) as f64 / all as f64
    }
}

/// Compares every finding with its label; what is not right is described too.
fn measure(info: &ObjectInfo, pictures: bool) -> (BTreeMap<Role, Tally>, Vec<(Outcome, String)>) {
    let mut tallies: BTreeMap<Role, Tally> = BTreeMap::new();
    let mut others = Vec::new();
    for truth in truth().iter().filter(|truth| truth.makes_pictures == pictures) {
        let roles = find(&workflow(&truth.name), info);
        for (role, label) in &truth.labels {
            let finding = roles.get(*role);
            let outcome = outcome(finding, label);
            let tally = tallies.entry(*role).or_default();
            *tally.outcomes.entry(outcome).or_default() += 1;
            tally.questions += usize::from(matches!(finding, Finding::Candidates { .. }));
            if outcome > Outcome::RightlyAsked {
                let places: Vec<String> = finding.places().iter().map(|place| place.key()).collect();
                others.push((
                    outcome,
                    format!("{} {role}: {outcome:?}: wanted {label:?}, got {places:?}", truth.name),
                ));
            }
        }
    }
    (tallies, others)
}

/// The table of docs/workflows.md: `cargo test -p prompt-calibrator-comfyui --test it inject_workflows::table -- --nocapture`.
#[test]
fn table_of_what_is_found() {
    for (what, pictures) in [
        ("workflows that make pictures", true),
        ("other workflows (video, audio, 3D, text, tools)", false),
    ] {
        let (tallies, others) = measure(&definitions(), pictures);
        println!(
            "\n{what}: {}",
            truth().iter().filter(|truth| truth.makes_pictures == pictures).count()
        );
        println!(
            "| role | right | asked, though it could be known | not found | wrong | without asking |\n| --- | --- | --- | --- | --- | --- |"
        );
        for (role, tally) in &tallies {
            let [known, rightly, asked, missed, wrong] = Outcome::ALL.map(|outcome| tally.count(outcome));
            let right = known + rightly;
            let share = 100.0 * tally.without_asking();
            println!("| {role} | {right} | {asked} | {missed} | {wrong} | {share:.0} % |");
        }
        for (_, other) in others {
            println!("{other}");
        }
        if pictures {
            docs_say(&tallies);
        }
    }
}

/// Fails where the table of docs/workflows.md is another one.
fn docs_say(tallies: &BTreeMap<Role, Tally>) {
    let page = fs::read_to_string(fixtures().join("../../docs/workflows.md")).unwrap();
    let graphs = truth().iter().filter(|truth| truth.makes_pictures).count();
    let (_, table) = page.split_once(&format!("The {graphs} that make images:")).unwrap();
    for (role, tally) in tallies {
        let name = match role {
            Role::Positive => "positive prompt",
            Role::Negative => "negative prompt",
            other => other.name(),
        };
        let mut rows = table
            .lines()
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        let row = rows
            .find(|row| row.get(1).is_some_and(|names| names.split(", ").any(|it| it == name)))
            .unwrap_or_else(|| panic!("docs/workflows.md has no row of {name}"));
        let told: Vec<&str> = row[2..6]
            .iter()
            .filter_map(|cell| cell.split([' ', ':']).next())
            .collect();
        let right = tally.count(Outcome::Right) + tally.count(Outcome::RightlyAsked);
        let share = format!("{:.0}", 100.0 * tally.without_asking());
        let counted = [
            right,
            tally.count(Outcome::NeedlesslyAsked),
            tally.count(Outcome::Wrong),
        ];
        let mut found: Vec<String> = counted.iter().map(usize::to_string).collect();
        found.push(share);
        assert_eq!(told, found, "the row of {name} in docs/workflows.md");
    }
}

#[test]
fn every_workflow_that_makes_pictures_is_right_or_correctly_asked() {
    // Without definitions a size may not be found, but nothing is wrong.
    for (info, how, worst) in [
        (definitions(), "with", Outcome::NeedlesslyAsked),
        (ObjectInfo::default(), "without", Outcome::Missed),
    ] {
        let (tallies, others) = measure(&info, true);
        let bad: Vec<&String> = others
            .iter()
            .filter(|(outcome, _)| *outcome > worst)
            .map(|(_, what)| what)
            .collect();
        assert!(bad.is_empty(), "{how} definitions: {bad:#?}");
        for role in [
            Role::Positive,
            Role::Negative,
            Role::Seed,
            Role::Steps,
            Role::Sampler,
            Role::Model,
        ] {
            let share = tallies[&role].without_asking();
            assert!(share >= 0.85, "{how} definitions, {role}: {share:.2} without asking");
        }
    }
}

#[test]
fn nothing_is_written_to_a_wrong_place_in_other_workflows() {
    let (_, others) = measure(&definitions(), false);
    let wrong: Vec<&(Outcome, String)> = others
        .iter()
        .filter(|(outcome, _)| *outcome == Outcome::Wrong)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_workflow_file_is_labelled() {
    let mut files: Vec<String> = fs::read_dir(fixtures().join("workflows"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json") && !path.ends_with("truth.json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let labelled: Vec<String> = truth().into_iter().map(|truth| truth.name).collect();
    assert_eq!(files, labelled);
}

#[test]
fn every_label_names_literals_that_are_there() {
    for truth in truth() {
        let graph = workflow(&truth.name);
        for (role, label) in &truth.labels {
            for place in label.places() {
                assert!(is_literal(&graph, &place), "{} {role}: {place}", truth.name);
            }
        }
    }
}

#[test]
fn what_is_injected_is_proven_and_nothing_else_changes() {
    let info = definitions();
    for truth in truth().iter().filter(|truth| truth.makes_pictures) {
        let name = &truth.name;
        let graph = workflow(name);
        let roles = find(&graph, &info);
        let texts = [Role::Positive, Role::Negative].map(|role| &truth.labels[&role]);
        let has_negative = matches!(texts[1], Label::At(_));
        let edits = Edits {
            positive: Some("a red fox".to_owned()),
            negative: has_negative.then(|| "blurry".to_owned()),
            seed: matches!(truth.labels[&Role::Seed], Label::At(_)).then_some(u64::MAX),
            ..Edits::default()
        };
        let applied = match (texts[0], apply(&graph, &roles, &info, &edits)) {
            (Label::At(_), applied) => applied.unwrap_or_else(|error| panic!("{name}: {error}")),
            (_, refused) => {
                assert!(
                    matches!(
                        refused,
                        Err(InjectError::Question {
                            role: Role::Positive,
                            ..
                        })
                    ),
                    "{name}"
                );
                continue;
            }
        };
        let changed: BTreeSet<String> = applied
            .changes
            .iter()
            .map(|c| format!("{}.{}", c.node, c.input))
            .collect();
        let labelled = [texts[0], texts[1], &truth.labels[&Role::Seed]]
            .into_iter()
            .filter_map(|label| match label {
                Label::At(places) => Some(places.clone()),
                _ => None,
            });
        assert_eq!(changed, labelled.flatten().collect(), "{name}");
        let roles = &applied.roles;
        let proof = prove(
            &applied.graph,
            &applied.graph.to_json(),
            "a red fox",
            roles,
            &info,
            roles.outputs(),
        );
        assert!(proof.is_ok(), "{name}: {proof:?}");
        assert!(
            prove(
                &applied.graph,
                &graph.to_json(),
                "a red fox",
                roles,
                &info,
                roles.outputs()
            )
            .is_err(),
            "{name}"
        );

        let before = |role: Role| {
            let place = applied.roles.get(role).found().first()?;
            let change = applied
                .changes
                .iter()
                .find(|change| change.node == place.node && change.input == place.input)?;
            Some(change.from.clone())
        };
        let restored = Edits {
            positive: before(Role::Positive).and_then(|text| Some(text.as_str()?.to_owned())),
            negative: before(Role::Negative).and_then(|text| Some(text.as_str()?.to_owned())),
            seed: before(Role::Seed).and_then(|seed| seed.as_u64()),
            ..Edits::default()
        };
        let back = apply(&applied.graph, &applied.roles, &info, &restored).unwrap();
        assert_eq!(back.graph, graph, "{name}: undoing the edits gives the workflow back");
    }
}

#[test]
fn seeds_differ_only_in_the_seed() {
    let info = definitions();
    let graph = workflow("image_sdxl_simple");
    let roles = find(&graph, &info);
    let one = with_seed(&graph, &roles, 9_007_199_254_740_993).unwrap();
    assert!(
        one.to_json().to_string().contains("\"seed\":9007199254740993"),
        "not rounded to a float"
    );
    assert_ne!(one.hash(), graph.hash());
    assert_eq!(with_seed(&one, &roles, 812_045_847_300_606).unwrap(), graph);
}

#[test]
fn the_shipped_workflows_are_sound_but_for_missing_models() {
    let info = definitions();
    // Stored by the page with the values of one node shifted, and with a wire missing; ComfyUI refuses both.
    const BROKEN: [&str; 2] = ["3d_hunyuan3d_image_to_model", "video_ltx2_i2v_lora"];
    for truth in truth().iter().filter(|truth| !BROKEN.contains(&truth.name.as_str())) {
        let name = &truth.name;
        let others: Vec<_> = lint::check(&workflow(name), &info)
            .into_iter()
            .filter(|problem| problem.kind != lint::ProblemKind::BadValue && problem.severity == lint::Severity::Fatal)
            .collect();
        assert!(others.is_empty(), "{name}: {others:?}");
    }
}

#[test]
fn a_turned_switch_moves_the_question() {
    let info = definitions();
    let graph = workflow("image_ming_image_01_design_t2i");
    let roles = find(&graph, &info);
    let mut edits = Edits {
        positive: Some("a fox".to_owned()),
        ..Edits::default()
    };
    let error = apply(&graph, &roles, &info, &edits).unwrap_err();
    assert!(
        error.to_string().contains("80:43 \"Generate Text\" changes the text"),
        "{error}"
    );

    edits.knobs.insert("80:76.switch".to_owned(), false.into());
    let applied = apply(&graph, &roles, &info, &edits).unwrap();
    let keys: Vec<String> = applied
        .changes
        .iter()
        .map(|c| format!("{}.{}", c.node, c.input))
        .collect();
    assert_eq!(keys, ["80:76.switch", "80:77.value"]);
}

#[test]
fn a_question_is_settled_by_choosing() {
    let info = definitions();
    let graph = workflow("flux_schnell_full_text_to_image");
    let mut roles = find(&graph, &info);
    roles.choose(&graph, Role::Positive, &["41"]).unwrap();
    let edits = Edits {
        positive: Some("a fox".to_owned()),
        ..Edits::default()
    };
    let applied = apply(&graph, &roles, &info, &edits).unwrap();
    assert_eq!(applied.changes.len(), 2, "both texts of the encoder");

    roles.choose(&graph, Role::Positive, &["41.t5xxl"]).unwrap();
    let applied = apply(&graph, &roles, &info, &edits).unwrap();
    assert_eq!(applied.changes.len(), 1);
    let place = &report(&applied.graph, &applied.roles)["roles"]["positive"];
    assert_eq!(
        (&place["input"], &place["value"], &place["found_by"]),
        (&"t5xxl".into(), &"a fox".into(), &"chosen".into())
    );
}
