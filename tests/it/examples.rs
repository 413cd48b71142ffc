//! What a stranger copies: the files in `examples/` hold what they promise.

#[path = "../../examples/demo/agent.rs"]
mod agent;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use comfyui::graph::Graph;
use comfyui::inject::{Role, find};
use comfyui::lint;
use comfyui::object_info::ObjectInfo;
use judge::rubric::{self, RubricError, RubricProblem};
use scenes::{ATTRIBUTES, Scene};
use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files of a folder with this ending; at least one.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path());
    let found: Vec<PathBuf> = all.filter(|p| p.to_string_lossy().ends_with(ending)).collect();
    assert!(!found.is_empty(), "{folder} has no {ending}");
    found
}

#[test]
fn the_workflow_has_one_place_for_everything_and_nothing_to_complain_about() {
    let definitions: Value = serde_json::from_str(&text("tools/comfyui-stand-in/data/object_info.json")).unwrap();
    let info = ObjectInfo::from_json(&definitions).complete();
    for path in files("examples/workflows", ".json") {
        let graph = Graph::parse(&fs::read(&path).unwrap()).unwrap();
        let roles = find(&graph, &info);
        for role in [Role::Positive, Role::Negative, Role::Seed] {
            assert_eq!(roles.get(role).found().len(), 1, "{role} of {}", path.display());
        }
        assert_eq!(lint::check(&graph, &info), [], "{}", path.display());
    }
}

/// The scenes of the example pictures by their names, as their README tells how to draw them.
fn pictures() -> BTreeMap<String, Scene> {
    let readme = text("examples/pictures/README.md");
    let told = readme
        .lines()
        .filter_map(|line| line.split_once("--example described -- examples/pictures/"));
    let scene = |(_, rest): (&str, &str)| {
        let [name, seed, prompt] = rest.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("a file, a seed and a prompt: {rest}");
        };
        let scene = Scene::described(prompt.trim_matches('"'), seed.parse().unwrap());
        (name.to_owned(), scene)
    };
    told.map(scene).collect()
}

#[test]
fn the_pictures_are_the_scenes_that_their_readme_says() {
    let scenes = pictures();
    assert_eq!(scenes.len(), 2);
    for (name, scene) in &scenes {
        let file = image::open(root().join("examples/pictures").join(name))
            .unwrap()
            .into_rgb8();
        assert_eq!(file.dimensions(), (512, 512), "{name}");
        let drawn = scenes::draw(scene, 512);
        let sum: f64 = file
            .as_raw()
            .iter()
            .zip(&drawn.rgb)
            .map(|(a, b)| f64::from(a.abs_diff(*b)))
            .sum();
        // Sines differ in their last bit from machine to machine.
        assert!(sum / (drawn.rgb.len() as f64) < 0.05, "{name} is another scene");
    }
    let apart = scenes["reference.png"].distances(&scenes["generated.png"]);
    let different = apart.iter().filter(|d| **d > 0.5).count();
    assert_eq!(
        (different, apart.iter().filter(|d| **d < 0.1).count()),
        (4, 6),
        "{apart:?}"
    );
}

/// With a judge that makes no mistakes, and a painter who does as he is told.
#[test]
fn the_agent_of_the_demo_comes_to_its_end_in_time_and_gets_better_each_time() {
    let reference = pictures().remove("reference.png").unwrap();
    let words = |axis: scenes::Attribute| reference.words(axis).unwrap();
    let target: BTreeMap<&str, String> = ATTRIBUTES.iter().map(|axis| (axis.id(), words(*axis))).collect();

    let mut agent = agent::Agent::new(&json!(target));
    let mut overall: Vec<f64> = Vec::new();
    for iteration in 1.. {
        agent.made(iteration);
        let made = Scene::loosely_described(&agent.prompt(), 1, 1.0);
        let axes = ATTRIBUTES.map(|axis| json!({"id": axis.id(), "score": 1.0 - reference.distance(&made, axis)}));
        overall.push(axes.iter().map(|axis| axis["score"].as_f64().unwrap() / 10.0).sum());
        let (shown, rest) = axes.split_at(6);
        let rest: BTreeMap<&str, &Value> = rest.iter().map(|a| (a["id"].as_str().unwrap(), &a["score"])).collect();
        let scores = agent::scores(&json!({"axes": shown, "rest": rest}));
        assert_eq!(scores.len(), ATTRIBUTES.len());
        if scores.values().all(|score| *score >= 0.8) || agent.correct(iteration, None, &scores).is_none() {
            break;
        }
    }
    assert!((3..=8).contains(&overall.len()), "{overall:?}");
    assert!(overall.windows(2).all(|pair| pair[1] > pair[0] + 0.05), "{overall:?}");
    assert!(overall[0] < 0.7 && overall[overall.len() - 1] > 0.9, "{overall:?}");
}

#[test]
fn the_agent_of_the_demo_knows_other_rubrics_and_what_is_hidden() {
    let target =
        json!({"a": "a woman", "b": "a red coat", "c": "dusk", "d": "snow", "e": "not visible", "f": "oil paint"});
    let mut agent = agent::Agent::new(&target);
    assert_eq!(agent.prompt(), "a woman, a red coat, dusk, snow");
    agent.made(1);
    let low = agent::scores(&json!({"axes": [{"id": "f", "score": 0.1}], "rest": {"a": 0.95, "e": "not_visible"}}));
    assert_eq!(agent.correct(1, None, &low).as_deref(), Some("f: oil paint"));
    assert_eq!(agent.prompt(), "a woman, a red coat, dusk, snow, oil paint");
    agent.made(2);
    // It was not kept: said again from the first, then no other words are known.
    assert_eq!(
        agent.correct(1, Some("f"), &low).as_deref(),
        Some("f said 2 times: oil paint")
    );
    assert_eq!(agent.prompt(), "a woman, a red coat, dusk, snow, oil paint, oil paint");
    assert!(agent.correct(1, None, &low).is_some());
    assert!(agent.correct(1, None, &low).is_none(), "no idea is left");

    let target = json!({"subject": "ring", "colour": "pink", "background": "blue", "count": "not visible", "mark": "bar", "position": "left"});
    let mut agent = agent::Agent::new(&target);
    assert_eq!(
        agent.prompt(),
        "a warm ring, cool background",
        "as one says it who has not looked closely"
    );
    agent.made(1);
    agent.correct(
        1,
        Some("position"),
        &agent::scores(&json!({"rest": {"count": 0.0, "mark": 0.2}})),
    );
    assert_eq!(agent.prompt(), "a warm ring at the left, cool background, no balls");
}

fn no_other(parent: rubric::Extends<'_>) -> Result<rubric::RubricText, RubricError> {
    Err(RubricError::without_place(RubricProblem::UnknownParent {
        name: parent.name.to_owned(),
        reason: "examples extend built-in rubrics only".into(),
    }))
}

#[test]
fn the_rubric_is_read() {
    let file = text("examples/rubrics/product.toml");
    let rubric = rubric::parse(&file, "product.toml", &mut no_other).unwrap();
    assert_eq!(rubric.axis("label_text").unwrap().weight, 2.0);
    assert!(rubric.axis("hair").is_none() && rubric.axis("framing").is_some());
}
