//! The bundled judge sees: the real binary evaluates it on rendered scenes, with the real llama.cpp.
//!
//! A slip anywhere between a picture's bytes and a score (decoding, resizing, patches, projector,
//! positions, chat markup, branches, probabilities, orders, scale) shows here as a fall in accuracy.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use eval::report::Report;
use serde_json::Value;
use sha2::{Digest, Sha256};

const PROGRAM: &str = env!("CARGO_BIN_EXE_prompt-calibrator");

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A person with an empty data folder and no settings.
struct Person {
    home: tempfile::TempDir,
}

impl Person {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("PROMPT_CALIBRATOR_DATA_DIR", self.at("data"))
            // Several run at once; more threads would only wait for each other.
            .env("PROMPT_CALIBRATOR_THREADS", "1")
            .current_dir(self.home.path())
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs an evaluation to its end.
    fn eval(&self, arguments: &[&str]) -> Report {
        let file = self.at("report.json");
        let mut all = vec!["eval", "--json", file.to_str().unwrap()];
        all.extend(arguments);
        let output = self.run(&all);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }
}

fn value(report: &Report, test: &str, name: &str) -> f64 {
    report
        .measure(test, name)
        .unwrap_or_else(|| panic!("{test} has no measure {name:?}: {report:#?}"))
        .estimate
        .value
}

#[test]
fn it_sees_what_differs_and_what_does_not() {
    let report = Person::new().eval(&["--cases", "20", "--tests", "T1,T2,T4,T6,T7,T9"]);
    let at = |test, name| value(&report, test, name);
    // The targets of the protocol's table, less a margin for so few cases.
    assert_eq!(at("T1", "asked again, largest change"), 0.0);
    assert_eq!(at("T1", "after a restart, largest change"), 0.0);
    assert!(at("T2", "identical, worst axis") >= 0.85, "{report:#?}");
    assert!(at("T2", "JPEG 90, worst axis") >= 0.8, "{report:#?}");
    assert!(at("T4", "ranks worst, share") >= 0.6, "{report:#?}");
    assert!(at("T4", "in the worst three, share") >= 0.8, "{report:#?}");
    assert!(at("T6", "raw, mean difference") <= 0.1, "{report:#?}");
    assert!(at("T7", "by the scores, easy, share") >= 0.85, "{report:#?}");
    assert!(at("T9", "ranks worst, share (chance is 0.1)") <= 0.3, "{report:#?}");
}

#[test]
fn a_judge_of_random_weights_sees_nothing() {
    let model = repository("gguf/random-qwen3vl.gguf");
    let mmproj = repository("gguf/random-mmproj.gguf");
    let report = Person::new().eval(&[
        "--cases",
        "12",
        "--tests",
        "T4",
        "--model",
        model.to_str().unwrap(),
        "--mmproj",
        mmproj.to_str().unwrap(),
        "--image-tokens",
        "16",
    ]);
    let found = value(&report, "T4", "ranks worst, share");
    assert!(
        found < 0.45,
        "random weights find the edited axis in {found} of the cases"
    );
}

#[test]
fn a_second_run_asks_nothing_again() {
    let person = Person::new();
    let first = person.eval(&["--cases", "4", "--tests", "T4"]);
    let again = person.eval(&["--cases", "4", "--tests", "T4"]);
    assert!(first.pairs_read > 0);
    assert_eq!(again.pairs_read, 0);
    assert_eq!(first.tests, again.tests);
    // More cases go on from there.
    let more = person.eval(&["--cases", "6", "--tests", "T4"]);
    assert!((1..=4).contains(&more.pairs_read), "{}", more.pairs_read);
    // Another seed is other scenes.
    assert!(
        person
            .eval(&["--cases", "4", "--tests", "T4", "--seed", "9"])
            .pairs_read
            > 0
    );
}

#[test]
#[ignore = "minutes; .ci/long runs it"]
fn everything_on_few_cases_and_what_was_fitted_is_used() {
    let person = Person::new();
    let page = person.at("page.html");
    let (reference, generated) = (
        repository("examples/pictures/reference.png"),
        repository("examples/pictures/generated.png"),
    );
    let pair = [
        "judge",
        "--json",
        reference.to_str().unwrap(),
        generated.to_str().unwrap(),
    ];
    let judged = |person: &Person| -> Value { serde_json::from_slice(&person.run(&pair).stdout).unwrap() };
    let before = judged(&person);
    let report = person.eval(&["--cases", "8", "--fit", "--page", page.to_str().unwrap()]);
    let ids: Vec<&str> = report.tests.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        ["T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11"]
    );
    let rivals: Vec<&str> = report.rivals.iter().map(|r| r.name.as_str()).collect();
    for wanted in [
        "evidence none",
        "evidence values",
        "evidence difference",
        "one order instead of two",
        "the printed digit",
        "json protocol",
        "HOG distance",
        "SSIM",
        "perceptual hash",
    ] {
        assert!(rivals.contains(&wanted), "{wanted} is not among {rivals:?}");
    }
    let html = std::fs::read_to_string(page).unwrap();
    assert!(!html.contains("http://"), "{html}");
    // On few cases the judge may be wrong nowhere; where it is, the pictures are shown.
    let (cases, pictures) = (
        html.contains("class=\"cases\""),
        html.contains("data:image/png;base64,"),
    );
    assert_eq!(cases, pictures, "{html}");

    let after = judged(&person);
    assert_ne!(
        before["judge"], after["judge"],
        "scores from before a fit must not be compared with those after it"
    );
}

#[test]
fn the_users_own_pairs_are_measured() {
    let person = Person::new();
    let folder = person.at("pairs");
    std::fs::create_dir(&folder).unwrap();
    for (name, from) in [("a.png", "reference.png"), ("b.png", "generated.png")] {
        std::fs::copy(repository("examples/pictures").join(from), folder.join(name)).unwrap();
    }
    let path = folder.to_str().unwrap();
    std::fs::write(
        folder.join("pairs.csv"),
        "reference,generated,colour,overall\na.png,a.png,1,1\nb.png,b.png,1,1\na.png,b.png,,0.5\n",
    )
    .unwrap();
    let report = person.eval(&[path]);
    assert_eq!(report.tests.len(), 1);
    assert!(value(&report, "pairs", "axes, mean error") < 0.2, "{report:#?}");

    for (csv, wanted) in [
        ("reference,generated,colour\na.png,../b.png,1\n", "line 2"),
        ("reference,generated,hue\na.png,b.png,1\n", "hue"),
        ("reference,generated,colour\na.png,b.png,7\n", "7"),
        ("reference,generated,colour\na.png,missing.png,0.1\n", "missing.png"),
    ] {
        std::fs::write(folder.join("pairs.csv"), csv).unwrap();
        let output = person.run(&["eval", path]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(wanted) && said.contains("what to do"),
            "{csv}: {said}"
        );
    }
}

#[test]
fn the_shipped_files_are_those_of_the_recorded_run() {
    let run: Value =
        serde_json::from_slice(&std::fs::read(repository("gguf/bundled-judge/run.json")).unwrap()).unwrap();
    let mut bytes = 0;
    for name in ["bundled-qwen3vl.gguf", "bundled-mmproj.gguf"] {
        let file = std::fs::read(repository("gguf/bundled-judge").join(name)).unwrap();
        bytes += file.len();
        let hash: String = Sha256::digest(&file).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            run["sha256"][name], hash,
            "{name} is not what the recorded run produced"
        );
    }
    assert!(bytes <= 24 << 20, "{bytes} bytes");
}
