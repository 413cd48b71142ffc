//! The commands as a person types them: results on standard output, everything else on standard error, honest exit codes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::answering::Answering;
use comfyui_stand_in::studio::Studio;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// The slowest command judges a pair on one core, maybe beside many others.
const LIMIT: Duration = Duration::from_secs(300);
/// The discard port: nothing answers there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A home of one's own, with nothing in it.
struct Person {
    home: TempDir,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Person {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the program; `variables` is the whole environment beside the home.
    async fn types_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prompt-calibrator"));
        command.args(arguments).env_clear().env("HOME", self.home.path());
        // Several judges with a thread a core each would only wait for one another.
        command.env("PROMPT_CALIBRATOR_THREADS", "1");
        command.envs(variables.iter().copied()).current_dir(self.home.path());
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.expect("it has to end").unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    async fn types(&self, arguments: &[&str]) -> Said {
        self.types_with(&[], arguments).await
    }

    /// It fails with this error and this advice, and prints no result.
    async fn is_refused(&self, arguments: &[&str], error: &str, advice: &str) {
        self.is_refused_with(&[], arguments, error, advice).await;
    }

    async fn is_refused_with(&self, variables: &[(&str, &str)], arguments: &[&str], error: &str, advice: &str) {
        let said = self.types_with(variables, arguments).await;
        assert_eq!(
            (said.code, said.out.as_str()),
            (Some(1), ""),
            "{arguments:?}: {}",
            said.err
        );
        let lines: Vec<&str> = said.err.lines().collect();
        let [first, second] = lines[..] else {
            panic!("{arguments:?}: an error and an advice, a line each: {}", said.err);
        };
        assert!(
            first.starts_with("error: ") && first.contains(error),
            "{arguments:?}: {first}"
        );
        assert!(
            second.starts_with("what to do: ") && second.contains(advice),
            "{arguments:?}: {second}"
        );
    }
}

fn shipped(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

fn pair() -> [String; 2] {
    ["reference.png", "generated.png"].map(|name| shipped(&format!("examples/pictures/{name}")))
}

/// A judge that sees nothing, and the rubric that any judge but the bundled one has when none is named.
fn random() -> Vec<String> {
    let [model, mmproj] = ["random-qwen3vl.gguf", "random-mmproj.gguf"].map(|name| shipped(&format!("gguf/{name}")));
    let flags = [
        "--model",
        &model,
        "--mmproj",
        &mmproj,
        "--image-tokens",
        "64",
        "--rubric",
        "default",
    ];
    flags.map(str::to_owned).into()
}

#[tokio::test]
async fn judge_prints_every_axis_and_says_what_the_bundled_judge_knows() {
    let person = Person::new();
    let [reference, generated] = pair();
    let said = person.types(&["judge", &reference, &generated]).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for axis in ["subject", "lighting", "texture"] {
        assert!(
            said.out.lines().any(|l| l.trim_start().starts_with(axis)),
            "{axis}: {}",
            said.out
        );
    }
    assert!(said.out.contains("knows rendered scenes only"), "{}", said.out);
    assert!(!said.out.contains("WARNING"), "{}", said.out);

    let said = person.types(&["judge", "--json", &reference, &generated]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let verdict: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(verdict["axes"].as_array().unwrap().len(), 10);
    let flags = verdict["flags"].as_array().unwrap();
    assert!(flags.contains(&"narrow_model".into()), "{flags:?}");
    for other in ["untrained_model", "self_check_failed"] {
        assert!(!flags.contains(&other.into()), "{flags:?}");
    }
    // The pictures differ in colour, pattern, count and lighting; that is seen, in the mean.
    let axes = verdict["axes"].as_array().unwrap();
    let mean = |differs: bool| {
        let differ = |axis: &&Value| ["colour", "pattern", "count", "lighting"].contains(&axis["id"].as_str().unwrap());
        let scores = axes.iter().filter(|axis| differ(axis) == differs);
        let scores: Vec<f64> = scores.filter_map(|axis| axis["score"].as_f64()).collect();
        assert!(!scores.is_empty(), "{axes:?}");
        scores.iter().sum::<f64>() / scores.len() as f64
    };
    assert!(mean(false) > mean(true) + 0.2, "{axes:?}");
}

#[tokio::test]
async fn judge_says_aloud_that_a_judge_is_random() {
    let person = Person::new();
    let [reference, generated] = pair();
    let random = random();
    let mut arguments: Vec<&str> = random.iter().map(String::as_str).collect();
    arguments.extend(["judge", &reference, &generated]);
    let said = person.types(&arguments).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(
        said.out.contains("WARNING: the judge's weights are random"),
        "{}",
        said.out
    );

    arguments.push("--json");
    let said = person.types(&arguments).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let verdict: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(verdict["axes"].as_array().unwrap().len(), 21);
    let flags = verdict["flags"].as_array().unwrap();
    assert!(flags.contains(&"untrained_model".into()), "{flags:?}");
}

#[tokio::test]
async fn judge_takes_a_rubric_of_ones_own_and_points_at_its_mistakes() {
    let person = Person::new();
    let [reference, generated] = pair();
    let good = "id = \"two\"\ntitle = \"Two\"\n[[axis]]\nid = \"a\"\ndefinition = \"colours\"\n[[axis]]\nid = \"b\"\ndefinition = \"shapes\"\n";
    person.file("good.toml", good);
    let said = person
        .types(&["--rubric", "good.toml", "judge", "--json", &reference, &generated])
        .await;
    let verdict: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
    let axes: Vec<&str> = verdict["axes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["id"].as_str().unwrap())
        .collect();
    assert_eq!(axes.len(), 2, "{axes:?}");

    person.file("bad.toml", &good.replace("\"shapes\"", "\"shapes\"\nweight = -1.0"));
    let arguments = ["--rubric", "bad.toml", "judge", &reference, &generated];
    person
        .is_refused(&arguments, "bad.toml:9:10: the weight of b is -1", "Use a weight")
        .await;
}

#[tokio::test]
async fn the_bundled_judge_does_not_guard_explicit_work() {
    let [reference, generated] = pair();
    let arguments = ["--rubric", "explicit", "judge", &reference, &generated];
    let advice = "trained Qwen3-VL";
    Person::new()
        .is_refused(&arguments, "refused: this judge has not passed its self-check", advice)
        .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_an_advice() {
    let person = Person::new();
    let [reference, _] = pair();
    person
        .is_refused(&["judge", "nope.png", &reference], "cannot reach nope.png", "spelling")
        .await;
    let text = person.file("text.png", "not a picture").display().to_string();
    person.is_refused(&["judge", &reference, &text], "", "PNG").await;
    let (not_api, no_chunk) = (shipped("Cargo.toml"), reference);
    person
        .is_refused(&["inspect", &not_api], "Cargo.toml: ", "Export (API)")
        .await;
    person
        .is_refused(&["inspect", &no_chunk], "reference.png: ", "ComfyUI's output folder")
        .await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named_with_an_advice() {
    let person = Person::new();
    person
        .is_refused(
            &["doctor", "--image-tokens", "3"],
            "image-tokens is \"3\"",
            "16 to 4096",
        )
        .await;
    person
        .is_refused(
            &["doctor", "--comfyui", "foo"],
            "comfyui is \"foo\"",
            "http://127.0.0.1:8188",
        )
        .await;
    let arguments = ["serve", "--http", "0.0.0.0:0"];
    person
        .is_refused(&arguments, "no token is set", "PROMPT_CALIBRATOR_HTTP_TOKEN")
        .await;
}

/// Stages and tokens of both protocols, cold and warm: a warm judgement encodes one picture and feeds less.
#[tokio::test]
async fn bench_times_every_stage() {
    let person = Person::new();
    let asked = ["bench", "--axes", "2,4", "--tokens", "16", "--rounds", "1"];
    let mut json = asked.to_vec();
    json.push("--json");
    let said = person.types(&json).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let timings: Value = serde_json::from_str(&said.out).unwrap();
    let rows = timings["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * 2 * 2, "axes, protocols, states");
    let find = |protocol: &str, state: &str, axes: u64| {
        let row = rows
            .iter()
            .find(|r| r["protocol"] == protocol && r["state"] == state && r["axes"] == axes);
        row.unwrap_or_else(|| panic!("no {protocol} {state} {axes}: {timings}"))
    };
    let number = |row: &Value, name: &str| row["cost"][name].as_f64().unwrap();
    for protocol in ["digit", "json"] {
        let (cold, warm) = (find(protocol, "cold", 4), find(protocol, "warm", 4));
        assert_eq!(number(cold, "images_encoded"), 2.0, "{cold}");
        assert_eq!(number(warm, "images_encoded"), 1.0, "{warm}");
        let stages: f64 = ["encode_s", "prefill_s", "branch_s", "decode_s"]
            .iter()
            .map(|s| number(warm, s))
            .sum();
        assert!(
            stages > 0.0 && stages <= warm["seconds"]["median"].as_f64().unwrap(),
            "{warm}"
        );
    }
    // Twice the axes are not twice the tokens: the leads are fed once.
    let fed = |axes| number(find("digit", "warm", axes), "branch_tokens");
    assert!(fed(4) < 2.0 * fed(2), "{} {}", fed(2), fed(4));

    let table = person.types(&[&asked[..], &["--protocol", "digit"]].concat()).await;
    assert!(
        table.out.contains("encode") && table.out.contains("warm"),
        "{}",
        table.out
    );
    assert!(!table.out.contains("json"), "{}", table.out);
    person
        .is_refused(
            &["bench", "none.png", "none.png"],
            "none.png cannot be read",
            "Name two pictures",
        )
        .await;
}

/// Threads that wait for each other awake take the cores from one another beside other programs: two of them used to be ten
/// to sixty times slower than one. Here the least time of each counts, because chance only adds to it; and the limit is far from
/// what is measured on a machine without other work (about 1), because tests run beside other programs too.
#[tokio::test]
async fn beside_busy_loops_all_threads_are_no_slower_than_one() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let loops = (2 * cores).to_string();
    let asked = [
        "bench", "--busy", &loops, "--axes", "3", "--tokens", "64", "--rounds", "3", "--json",
    ];
    let all_cores = [("PROMPT_CALIBRATOR_THREADS", "")];
    let said = Person::new().types_with(&all_cores, &asked).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let races: Value = serde_json::from_str(&said.out).unwrap();
    let rows = races["rows"].as_array().unwrap();
    let ways: Vec<(&str, bool)> = rows
        .iter()
        .map(|row| (row["against"].as_str().unwrap(), row["busy"] != 0))
        .collect();
    let expected = [("library_waiting", false), ("one_thread", false), ("one_thread", true)];
    assert_eq!(ways, expected, "{races}");
    let beside = &rows[2];
    let least = |name: &str| beside[name]["min"].as_f64().unwrap();
    let ratio = least("seconds") / least("their_seconds");
    assert!(ratio < 4.0, "{ratio}: {beside}");
}

#[tokio::test]
async fn inspect_shows_the_places_and_what_it_would_ask() {
    let person = Person::new();
    let definitions = shipped("tests/fixtures/object_info.json");
    let inspect = async |workflow: &str| {
        let workflow = shipped(&format!("tests/fixtures/workflows/{workflow}.json"));
        person
            .types(&["inspect", &workflow, "--object-info", &definitions])
            .await
    };
    let said = inspect("image_sdxl_simple").await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for place in ["10.text", "11.text", "12.seed"] {
        assert!(said.out.contains(place), "{place}: {}", said.out);
    }
    let said = inspect("template_sugar_coated_gummy_style_qwen").await;
    assert!(
        said.out.contains("positive is not unique") && said.out.contains("\"76:80.string_a\""),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn inspect_takes_the_newest_run_and_says_what_makes_no_picture() {
    let nodes = json!({
        "1": {"class_type": "LoadVideo", "inputs": {"file": "a.mp4"}},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], "format": "auto"}, "_meta": {"title": "Clip"}},
    });
    let history = json!({"newest": {"prompt": [1, "newest", nodes], "outputs": {}, "status": {}}}).to_string();
    let comfyui = Answering::new(move |line| match line {
        line if line.starts_with("GET /history") => ("200 OK", history.clone()),
        _ => ("200 OK", "{}".to_owned()),
    })
    .await;
    let said = Person::new()
        .types(&["inspect", "last", "--comfyui", &comfyui.url])
        .await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("node 2 \"Clip\": it makes a video") && said.out.contains("Preview Image"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_file_of_certificates_that_cannot_be_used_is_said_at_the_start() {
    let person = Person::new();
    let (missing, other) = (
        "/nowhere/own.pem".to_owned(),
        person.file("hosts", "127.0.0.1 localhost\n"),
    );
    let other = other.display().to_string();
    let last = ["inspect", "last", "--comfyui", "https://localhost:9"];
    for (path, words) in [(&missing, "cannot be read"), (&other, "holds no certificate")] {
        let variables = [("SSL_CERT_FILE", path.as_str())];
        let expected = format!("SSL_CERT_FILE names {path}, which {words}");
        person
            .is_refused_with(&variables, &last, &expected, "SSL_CERT_FILE")
            .await;
        let serve = ["serve", "--comfyui", "https://localhost:9"];
        let said = person.types_with(&variables, &serve).await;
        assert!(said.code == Some(1) && said.err.contains(&expected), "{}", said.err);
        // Without TLS it does not matter.
        let said = person
            .types_with(&variables, &["inspect", "last", "--comfyui", NOBODY])
            .await;
        assert!(!said.err.contains("SSL_CERT_FILE"), "{}", said.err);
    }
}

#[tokio::test]
async fn inspect_says_which_classes_run_as_others_and_where_a_workflow_lay() {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
    let url = studio.url();
    let nodes = json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stand-in.safetensors"}},
        "2": {"class_type": "OldTextEncode", "inputs": {"prompt": "a fox", "clip": ["1", 1]}, "_meta": {"title": "Prompt"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 7, "steps": 1, "cfg": 4.0, "sampler_name": "euler",
            "scheduler": "normal", "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "x"}},
    });
    let person = Person::new();
    let file = person.file("request.json", &json!({"input": {"workflow": nodes}}).to_string());
    let file = file.display().to_string();
    let told = async {
        let table = person.types(&["inspect", &file, "--comfyui", &url]).await;
        let json = person.types(&["inspect", &file, "--comfyui", &url, "--json"]).await;
        (table, json)
    };
    let (table, report) = tokio::select! {
        served = studio.serve() => panic!("{served:?}"),
        told = told => told,
    };
    assert_eq!((table.code, table.err.as_str()), (Some(0), ""));
    assert!(table.out.contains("2.text"), "{}", table.out);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    let notes = report["notes"].to_string();
    for said in [
        "taken from input.workflow of its file",
        "runs CLIPTextEncode in its place, with that class's inputs: node 2 (Prompt)",
    ] {
        assert!(
            table.out.contains(said) && notes.contains(said),
            "{said}: {} {notes}",
            table.out
        );
    }
}

/// What other programs read: found places, questions and nothing, all of one shape.
#[tokio::test]
async fn inspect_as_json_has_one_shape_for_every_place() {
    let person = Person::new();
    let definitions = shipped("tests/fixtures/object_info.json");
    let roles = async |workflow: &str| {
        let workflow = shipped(&format!("tests/fixtures/workflows/{workflow}.json"));
        let said = person
            .types(&["inspect", &workflow, "--object-info", &definitions, "--json"])
            .await;
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        let report: Value = serde_json::from_str(&said.out).unwrap();
        report["roles"].clone()
    };
    let place = |place: &Value| {
        let texts = ["node", "title", "input", "found_by"];
        assert!(
            texts.iter().all(|key| place[key].is_string()) && place.get("value").is_some(),
            "{place}"
        );
    };
    let found = roles("image_sdxl_simple").await;
    let names = [
        "positive", "negative", "seed", "width", "height", "steps", "cfg", "sampler", "model",
    ];
    for name in names {
        place(&found[name]);
    }
    let positive = &found["positive"];
    assert_eq!((&positive["node"], &positive["input"]), (&"10".into(), &"text".into()));
    let asked = roles("template_sugar_coated_gummy_style_qwen").await;
    let candidates = asked["positive"]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2, "{asked}");
    candidates.iter().for_each(place);
    assert_eq!(
        roles("flux_depth_lora_example").await["negative"],
        Value::Null,
        "it is zeroed"
    );
}

#[tokio::test]
async fn inspect_needs_neither_comfyui_nor_certificates() {
    let none = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let workflow = shipped("examples/workflows/text_to_image.json");
    let arguments = ["inspect", &workflow, "--comfyui", NOBODY];
    let said = Person::new().types_with(&none, &arguments).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("2.text") && said.out.contains("5.seed"),
        "{}",
        said.out
    );
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(
        said.err.starts_with("note: ") && said.err.contains("nothing answers"),
        "{}",
        said.err
    );
}

/// The error comes from deep inside, and nothing on its way adds to it: the advice is its own.
#[tokio::test]
async fn a_comfyui_that_cannot_be_asked_safely_is_an_error_with_an_advice() {
    let person = Person::new();
    let none = [("SSL_CERT_DIR", "/nonexistent")];
    let workflow = shipped("examples/workflows/text_to_image.json");
    let config = person.file("none.toml", "").display().to_string();
    let address = "https://127.0.0.1:9";
    let wanted = (
        "ComfyUI address or credentials cannot be used",
        "Correct the ComfyUI address",
    );
    for command in [&["inspect", &workflow][..], &["serve"]] {
        // What the TLS library logs of the missing file is no part of the answer.
        let arguments = [
            &["--config", &config, "--comfyui", address, "--log", "error"][..],
            command,
        ]
        .concat();
        person.is_refused_with(&none, &arguments, wanted.0, wanted.1).await;
    }
    // `doctor` and `init` say it in their own ways.
    let arguments = ["--config", &config, "--comfyui", address, "doctor", "--json"];
    let said = person.types_with(&none, &arguments).await;
    let all: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let setup = all.iter().find(|check| check["what"] == "set-up").unwrap();
    assert!(setup["fix"].as_str().unwrap().contains(wanted.1), "{setup}");
    let said = person
        .types_with(&none, &["--config", &config, "--comfyui", address, "init"])
        .await;
    assert!(
        said.err.contains(wanted.0) && said.err.contains(wanted.1),
        "{}",
        said.err
    );
}

/// A client reads standard output alone: it hears why there is no server for it.
#[tokio::test]
async fn serve_tells_a_waiting_client_why_it_does_not_start() {
    let person = Person::new();
    let nowhere = person.home.path().join("none.toml").display().to_string();
    for arguments in [
        &["--config", &nowhere, "serve"][..],
        &["serve", "--rubric", "no-such-rubric"],
    ] {
        let mut server = Command::new(env!("CARGO_BIN_EXE_prompt-calibrator"))
            .args(arguments)
            .env_clear()
            .env("HOME", person.home.path())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = server.stdin.take().unwrap();
        let opening = json!({"jsonrpc": "2.0", "id": "one", "method": "initialize", "params": {}});
        input.write_all(format!("{opening}\n").as_bytes()).await.unwrap();
        // Its input stays open: it ends all the same.
        let output = timeout(LIMIT, server.wait_with_output())
            .await
            .expect("it has to end")
            .unwrap();
        drop(input);
        let (out, err) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1), "{err}");
        let answer: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!("one")));
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("error: ") && message.contains("what to do: ") && err.contains(message),
            "{answer}: {err}"
        );
    }
}

/// What ends the session over the pipes is an error of the program's with an advice, like all others.
#[tokio::test]
async fn serve_says_what_to_do_when_its_client_does_not_listen() {
    let person = Person::new();
    let mut server = Command::new(env!("CARGO_BIN_EXE_prompt-calibrator"))
        .arg("serve")
        .env_clear()
        .env("HOME", person.home.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // The client asks to open a session and does not read the answer.
    drop(server.stdout.take());
    let params =
        r#"{"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}"#;
    let opening = format!(r#"{{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {params}}}"#);
    let mut input = server.stdin.take().unwrap();
    input.write_all(format!("{opening}\n").as_bytes()).await.unwrap();
    let output = timeout(LIMIT, server.wait_with_output())
        .await
        .expect("it has to end")
        .unwrap();
    drop(input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let [.., error, advice] = lines[..] else {
        panic!("an error and an advice: {said}");
    };
    assert!(error.starts_with("error: the MCP session was not opened"), "{said}");
    assert!(advice.starts_with("what to do: Start the server again"), "{said}");
}

/// The checks of `doctor --json` as (what, health).
fn checks(said: &Said) -> Vec<(String, String)> {
    let checks: Vec<Value> = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
    let word = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    checks.iter().map(|c| (word(c, "what"), word(c, "health"))).collect()
}

fn health<'a>(checks: &'a [(String, String)], what: &str) -> &'a str {
    checks
        .iter()
        .find(|(name, _)| name == what)
        .map_or("not checked", |(_, health)| health)
}

/// What was computed of the bundled judge's memory is what llama.cpp says it took, where that does not depend on its graph.
/// (`.ci/long` has this for a file of a real size, with what is computed in.)
fn computed_as_reported(said: &Said) {
    let checks: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let memory = &checks.iter().find(|check| check["what"] == "memory").unwrap()["data"];
    let held = |kind: &str| {
        let buffers = memory["held"].as_array().unwrap().iter();
        let bytes: u64 = buffers
            .filter(|b| b["kind"] == kind)
            .map(|b| b["bytes"].as_u64().unwrap())
            .sum();
        bytes as f64
    };
    for (part, kind) in [("weights", "model"), ("projector", "projector"), ("context", "context")] {
        let computed = memory["need"]["processor"][part].as_u64().unwrap() as f64;
        let ratio = computed / held(kind);
        assert!((0.95..1.05).contains(&ratio), "{part}: {computed} for {}", held(kind));
    }
}

#[tokio::test]
async fn doctor_says_what_is_missing_and_fails() {
    let person = Person::new();
    let said = person.types(&["doctor", "--json", "--comfyui", NOBODY]).await;
    assert_eq!(said.code, Some(1), "{}", said.out);
    let found = checks(&said);
    for (what, expected) in [
        ("settings", "ok"),
        ("build", "ok"),
        ("device", "ok"),
        ("model", "warning"),
        ("projector", "ok"),
        ("judgement", "ok"),
        ("self-check", "ok"),
        ("ComfyUI", "missing"),
        ("memory", "ok"),
        ("GPU sharing", "ok"),
        ("data folder", "ok"),
        ("clients", "warning"),
    ] {
        assert_eq!(health(&found, what), expected, "{what}: {}", said.out);
    }
    // What is known at once comes first; what the judge has to work for, last.
    let order: Vec<&str> = found.iter().map(|(what, _)| what.as_str()).collect();
    let expected = [
        "settings",
        "data folder",
        "clients",
        "build",
        "device",
        "ComfyUI",
        "GPU sharing",
        "model",
        "projector",
        "judgement",
        "self-check",
        "memory",
    ];
    assert_eq!(order, expected);
    assert!(said.err.starts_with("Now the judge is loaded, "), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    computed_as_reported(&said);
    let said = person
        .types(&[
            "doctor",
            "--model",
            "gone.gguf",
            "--mmproj",
            "gone.gguf",
            "--comfyui",
            NOBODY,
        ])
        .await;
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.ends_with("Not ready: model, ComfyUI.\n"), "{}", said.out);
    assert!(
        said.out.contains("model = ") && said.out.contains("(the flag --model)"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn doctor_says_when_the_two_files_are_swapped() {
    let random = random();
    let (model, mmproj) = (&random[1], &random[3]);
    let said = Person::new()
        .types(&["--model", mmproj, "--mmproj", model, "doctor", "--comfyui", NOBODY])
        .await;
    assert!(
        said.out.contains("random-mmproj.gguf is a vision projector"),
        "{}",
        said.out
    );
    assert!(said.out.contains("exchange the two"), "{}", said.out);
    assert!(said.out.ends_with("Not ready: model, ComfyUI.\n"), "{}", said.out);
}

#[tokio::test]
async fn doctor_succeeds_when_nothing_is_missing() {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
    let url = studio.url();
    let serving = tokio::spawn(studio.serve());
    let said = Person::new().types(&["doctor", "--comfyui", &url]).await;
    serving.abort();
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(said.err.starts_with("Now the judge is loaded, "), "{}", said.err);
    assert!(said.out.contains("ok       ComfyUI: stand-in at "), "{}", said.out);
    assert!(
        said.out.ends_with("It runs; look at the warnings: clients, model.\n"),
        "{}",
        said.out
    );
}

/// A judge that takes too long is stopped and told; what was found before stands.
#[tokio::test]
async fn doctor_ends_a_judge_that_takes_too_long() {
    let random = random();
    let (model, mmproj) = (&random[1], &random[3]);
    let said = Person::new()
        // Minutes of work on any machine.
        .types(&[
            "--model",
            model,
            "--mmproj",
            mmproj,
            "--image-tokens",
            "4096",
            "--rubric",
            "default",
            "doctor",
            "--json",
            "--limit",
            "1",
            "--comfyui",
            NOBODY,
        ])
        .await;
    assert_eq!(said.code, Some(1), "{}", said.err);
    let checks: Vec<Value> = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
    let late = checks.iter().find(|check| {
        let found = check["found"].as_str().unwrap();
        found.starts_with("stopped after 1 s")
    });
    let late = late.unwrap_or_else(|| panic!("nothing was stopped: {}", said.out));
    assert_eq!(late["health"], "missing", "{late}");
    assert!(late["fix"].as_str().unwrap().contains("--limit 3"), "{late}");
    for (what, expected) in [
        ("device", "ok"),
        ("ComfyUI", "missing"),
        ("memory", "ok"),
        ("self-check", "not checked"),
    ] {
        assert_eq!(health(&self::checks(&said), what), expected, "{what}: {}", said.out);
    }
}

#[tokio::test]
async fn doctor_warns_of_a_judge_that_sees_nothing() {
    let random = random();
    let mut arguments: Vec<&str> = random.iter().map(String::as_str).collect();
    arguments.extend(["doctor", "--json", "--comfyui", NOBODY]);
    let said = Person::new().types(&arguments).await;
    let found = checks(&said);
    for what in ["model", "self-check"] {
        assert_eq!(health(&found, what), "warning", "{what}: {}", said.out);
    }
    assert!(said.out.contains("its weights are random"), "{}", said.out);
}

/// Opening a pipe waits until somebody writes into it: nobody does.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pipe_or_a_folder_is_refused_wherever_a_file_is_named() {
    let person = Person::new();
    let pipe = person.home.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().await.unwrap();
    assert!(made.success());
    let pipe = pipe.display().to_string();
    let folder = person.home.path().display().to_string();
    let [reference, generated] = pair();
    let model = shipped("gguf/random-qwen3vl.gguf");
    for named in [&pipe, &folder] {
        for arguments in [
            vec!["inspect", named],
            vec!["--config", named, "inspect", &model],
            vec!["judge", named, &generated],
            vec!["judge", &reference, named],
            vec!["bench", named, &generated],
            vec!["--rubric", named, "judge", &reference, &generated],
            vec!["--model", named, "--mmproj", named, "judge", &reference, &generated],
            vec!["--model", &model, "--mmproj", named, "judge", &reference, &generated],
        ] {
            let said = person.types(&arguments).await;
            assert_ne!(said.code, Some(0), "{arguments:?}: {}", said.out);
            assert!(said.err.contains("error: "), "{arguments:?}: {}", said.err);
        }
    }
}

#[tokio::test]
async fn a_rubric_that_cannot_be_used_is_said_before_an_agent_meets_it() {
    let person = Person::new();
    let broken = person.file("broken.toml", "name = 3");
    for named in ["nothere.toml", broken.to_str().unwrap(), "no-such-rubric"] {
        let said = person.types_with(&[], &["serve", "--rubric", named]).await;
        assert_ne!(said.code, Some(0), "{named}: {}", said.err);
        assert!(said.err.contains("--rubric"), "{named}: {}", said.err);
    }
}
