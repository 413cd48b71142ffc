//! A session as a notebook: what is decided, what the views cost, what a person gets out of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use history::{NewIteration, NewRun, NewSession, RunImage, RunUpdate, SessionRubric, Store, WorkflowSource};
use judge::rubric::{Rubric, RubricSource};
use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{BINARY, Bench, Server, Via};
use crate::mcp_binary::warm;
use crate::support::browser::Browser;
use types::{GraphHash, PromptId, Seed};

/// What an agent reads in one go: 600 tokens of four bytes.
const VIEW: usize = 2_400;
/// A call that makes an iteration, question and answer together: 1,000 tokens.
const ITERATION: usize = 4_000;

const LIKE_THE_REFERENCE: &str = "a large red striped star at the left, marked with a cross, three balls along the bottom, \
                                  a smooth green background, light from the right";
/// Everything right but the figure.
const ANOTHER_FIGURE: &str = "a huge blue dotted circle at the right, marked with a dot, three balls along the bottom, \
                              a smooth green background, light from the right";

fn command(bench: &Bench, arguments: &[&str]) -> (bool, String, String) {
    let ran = Command::new(BINARY)
        .args(["--log", "error", "--data-dir"])
        .arg(bench.data())
        .args(arguments)
        .env_clear()
        .envs([("HOME", bench.data().to_str().unwrap()), warm::THREADS])
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.success(), text(ran.stdout), text(ran.stderr))
}

async fn iterate(server: &Server, session: &str, positive: &str, note: &str) -> Value {
    let asked = json!({"session": session, "positive": positive, "note": note, "seeds": [7, 8], "judge": true});
    server.tool("queue_generation", asked).await
}

/// First, keep, revert: gives the session.
async fn three_iterations(bench: &Bench, server: &Server) -> String {
    let opened = json!({
        "workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": "a red circle",
        "title": "A star", "target_score": 0.85, "note": "a first guess",
    });
    let session = server.tool("inject_prompt", opened).await["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let asked = json!({"session": session, "seeds": [7, 8], "judge": true});
    assert_eq!(server.tool("queue_generation", asked).await["decision"], "first");
    let better = iterate(
        server,
        &session,
        LIKE_THE_REFERENCE,
        "subject and colour as the reference shows them",
    )
    .await;
    assert_eq!(better["decision"], "keep", "{better}");
    let told = better["summary"].as_str().unwrap();
    assert!(
        told.contains("KEEP 2 over 1 (+0.") && told.contains(" raw on the same 2 seeds, ") && told.contains(" Up: "),
        "{told}"
    );
    let worse = iterate(server, &session, ANOTHER_FIGURE, "<b>another</b> subject & size").await;
    assert_eq!(worse["decision"], "revert", "{worse}");
    let told = worse["summary"].as_str().unwrap();
    assert!(
        told.contains("REVERT 3: 2 stays the best, go on from it (-0.") && told.contains(" Down: "),
        "{told}"
    );
    assert!(!told.contains("ALARM"), "what is not kept has not fallen: {told}");
    session
}

#[tokio::test]
async fn what_is_better_is_kept_and_the_next_change_starts_from_it() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = three_iterations(&bench, &server).await;

    // Reverting is choosing a parent, and that is what goes without saying.
    let draft = server
        .tool(
            "inject_prompt",
            json!({"session": session, "positive": LIKE_THE_REFERENCE, "knobs": {"steps": 4}}),
        )
        .await;
    assert_eq!((&draft["iteration"], &draft["parent"]), (&json!(4), &json!(2)));
    // A draft that was left behind is nobody's parent.
    let again = server
        .tool("inject_prompt", json!({"session": session, "positive": "a red moon"}))
        .await;
    assert_eq!((&again["iteration"], &again["parent"]), (&json!(5), &json!(2)));
    // Another branch, from wherever the agent likes.
    let branch = json!({"session": session, "parent": 1, "positive": "a green heart"});
    assert_eq!(server.tool("inject_prompt", branch).await["parent"], 1);

    // More seeds of both re-open the decision; judging the same again does not.
    for n in [1, 2] {
        let more = json!({"session": session, "iteration": n, "seeds": [9], "judge": true});
        server.tool("queue_generation", more).await;
    }
    server
        .tool("judge_pair", json!({"session": session, "iteration": 1}))
        .await;
    let second = server
        .tool("get_history", json!({"session": session, "iteration": 2}))
        .await;
    let decisions = second["iterations"][0]["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 2, "{second}");
    assert!(decisions[1].as_str().unwrap().contains("3 seeds"), "{second}");

    let trend = server.tool("get_history", json!({"session": session})).await;
    let rows = trend["iterations"].as_array().unwrap();
    let decided: Vec<&Value> = rows.iter().map(|row| &row["decision"]).collect();
    assert_eq!(
        decided,
        [
            &json!("first"),
            &json!("keep"),
            &json!("revert"),
            &Value::Null,
            &Value::Null,
            &Value::Null
        ]
    );
    assert_eq!((&rows[1]["best"], &rows[5]["parent"]), (&json!(true), &json!(1)));
    assert_eq!(rows[3]["state"], "draft");
}

#[tokio::test]
async fn the_views_tell_what_to_do_and_cost_little() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = three_iterations(&bench, &server).await;

    let axis = server
        .tool("get_history", json!({"session": session, "axis": "subject"}))
        .await;
    let rows = axis["axis"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{axis}");
    assert!(
        axis["summary"]
            .as_str()
            .unwrap()
            .contains("the reference shows \"star\""),
        "{axis}"
    );
    assert!(
        rows[1]["moved"].as_f64().unwrap() > 0.2 && rows[2]["moved"].as_f64().unwrap() < -0.2,
        "{axis}"
    );
    let unknown = server
        .refused("get_history", json!({"session": session, "axis": "sbject"}))
        .await;
    assert!(unknown.contains("Its axes are subject, colour"), "{unknown}");
    server.refused("get_history", json!({"advice": true})).await;

    // Twice as good as it has to be, but on the seeds that it was chosen on.
    let advice = server
        .tool("get_history", json!({"session": session, "advice": true}))
        .await;
    assert_eq!(
        (&advice["advice"]["step"], &advice["advice"]["parent"]),
        (&json!("rescore"), &json!(2)),
        "{advice}"
    );
    let seeds = advice["advice"]["run"]["2"].clone();
    let fresh = json!({"session": session, "iteration": 2, "seeds": seeds, "judge": true});
    let confirmed = server.tool("queue_generation", fresh).await;
    assert!(
        confirmed["summary"]
            .as_str()
            .unwrap()
            .contains("Stop: the target is reached"),
        "{confirmed}"
    );
    let advice = server
        .tool("get_history", json!({"session": session, "advice": true}))
        .await;
    assert_eq!(advice["advice"]["step"], "stop", "{advice}");

    for asked in [
        json!({}),
        json!({"session": session}),
        json!({"session": session, "axis": "mark"}),
        json!({"session": session, "advice": true}),
    ] {
        let shown = server.tool("get_history", asked.clone()).await;
        assert!(
            shown.to_string().len() <= VIEW,
            "{asked}: {} bytes",
            shown.to_string().len()
        );
    }
}

/// The default rubric has 21 axes; a prompt is about as long as people write them.
#[tokio::test]
async fn an_iteration_in_one_call_costs_less_than_a_thousand_tokens() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let opened = json!({
        "workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": "a red circle",
        "rubric": "default",
    });
    let session = server.tool("inject_prompt", opened).await["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let asked = json!({
        "session": session, "seeds": [7, 8], "judge": true,
        "note": "hands and lighting were off: say the number of fingers and the side of the lamp",
        "positive": format!("{LIKE_THE_REFERENCE}, {ANOTHER_FIGURE}, soft light, fine grain, muted colours, seen from the front"),
    });
    let made = server.tool("queue_generation", asked.clone()).await;
    let bytes = asked.to_string().len() + made.to_string().len();
    println!(
        "an iteration of two seeds, 21 axes: {bytes} bytes, {} tokens",
        bytes / 4
    );
    let (axes, rest) = (made["axes"].as_array().unwrap(), made["rest"].as_object().unwrap());
    assert_eq!((axes.len(), axes.len() + rest.len()), (6, 21), "{made}");
    assert!(bytes <= ITERATION, "{bytes} bytes: {made}");
    // Pictures are counted apart, and come when they are asked for.
    let whole = json!({"session": session, "iteration": 2, "judge": true, "images": true});
    let pictured = server.whole("queue_generation", whole).await;
    let images = pictured["content"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|block| block["type"] == "image")
        .count();
    assert_eq!(images, 2);
}

/// What the reference shows may be corrected by hand: that is recorded, and scores from before are not compared.
#[tokio::test]
async fn the_target_can_be_edited() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let judge = json!({"session": session, "judge": true});
    let before = server.tool("queue_generation", judge.clone()).await;
    let wrong = server
        .refused(
            "judge_pair",
            json!({"session": session, "reference_values": {"sbject": "moon"}}),
        )
        .await;
    assert!(wrong.contains("no axis \"sbject\"; nothing was changed"), "{wrong}");
    let both = json!({"session": session, "iteration": 1, "reference_values": {"subject": "moon"}});
    server.refused("judge_pair", both).await;
    let long = "x".repeat(200);
    server
        .refused(
            "judge_pair",
            json!({"session": session, "reference_values": {"subject": long}}),
        )
        .await;

    let edits = json!({"subject": "a  five-pointed star", "mark": "not visible"});
    let edited = server
        .tool("judge_pair", json!({"session": session, "reference_values": edits}))
        .await;
    assert_eq!(edited["reference_values"]["subject"], "a five-pointed star");
    assert_eq!(
        (
            &edited["reference_values"]["mark"],
            &edited["reference_values"]["pattern"]
        ),
        (&json!("not visible"), &json!("stripes"))
    );
    assert!(
        edited["summary"].as_str().unwrap().contains("written by hand"),
        "{edited}"
    );
    let again = server.tool("judge_pair", json!({"session": session})).await;
    assert_eq!(again["reference_values"], edited["reference_values"]);

    let after = server
        .tool("judge_pair", json!({"session": session, "iteration": 1, "full": true}))
        .await;
    assert_ne!(
        after["judge"], before["judge"],
        "scores by another target are not compared"
    );
    assert!(
        after["flags"].as_array().unwrap().contains(&json!("edited_reference")),
        "{after}"
    );
    let axis = |id: &str| {
        after["axes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["id"] == id)
            .unwrap()
            .clone()
    };
    assert_eq!(axis("subject")["ref"], "a five-pointed star");
    assert_eq!(axis("mark")["verdict"], "not_visible", "what is hidden does not count");
    assert!(
        after["summary"]
            .as_str()
            .unwrap()
            .contains("Iteration 1 is the first that this judge scored against this target."),
        "{after}"
    );
}

#[tokio::test]
async fn sessions_are_listed_shown_taken_out_and_in_and_removed() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = three_iterations(&bench, &server).await;
    let (ok, list, _) = command(&bench, &["sessions", "list"]);
    assert!(ok && list.contains(&session) && list.contains("A star"), "{list}");
    let (ok, shown, _) = command(&bench, &["sessions", "show"]);
    assert!(
        ok && shown.contains("2 *") && shown.contains("keep") && shown.contains("revert"),
        "{shown}"
    );
    assert!(shown.contains("* the best: iteration 2, "), "{shown}");

    let folder = PathBuf::from(bench.file("export.v1"));
    let to = folder.display().to_string();
    // What lies beside it is somebody else's.
    let beside = folder.with_extension("partial");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("thesis"), "mine").unwrap();
    let names = || {
        let all = fs::read_dir(folder.parent().unwrap()).unwrap();
        all.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    let mut before = names();
    let (ok, told, _) = command(&bench, &["sessions", "export", &session, "--to", &to]);
    assert!(ok && told.contains("7 pictures"), "{told}");
    assert_eq!(fs::read_to_string(beside.join("thesis")).unwrap(), "mine");
    before.insert("export.v1".into());
    assert_eq!(names(), before, "nothing else is there, and nothing is gone");
    let (ok, _, error) = command(&bench, &["sessions", "export", &session, "--to", &to]);
    assert!(!ok && error.contains("is there already"), "{error}");
    let (ok, _, error) = command(&bench, &["sessions", "import", &to]);
    assert!(
        !ok && error.contains("in this history already") && error.contains("what to do:"),
        "{error}"
    );

    // A second program may read while the server is there.
    let (ok, would, _) = command(&bench, &["sessions", "prune", &session]);
    assert!(ok && would.contains("Nothing was removed"), "{would}");
    assert_eq!(
        server.tool("get_history", json!({})).await["sessions"][0]["session"],
        json!(session)
    );
    let (ok, removed, _) = command(&bench, &["sessions", "prune", &session, "--yes"]);
    assert!(ok && removed.starts_with("Removed: 1 session"), "{removed}");
    server.refused("get_history", json!({"session": session})).await;
    let (ok, _, error) = command(&bench, &["sessions", "show", &session]);
    assert!(!ok && error.contains("there is no session"), "{error}");

    let damaged = fs::read_dir(folder.join("images"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let (ok, _, error) = command(&bench, &["sessions", "import", &to]);
    assert!(
        !ok && error.contains("other content than its name says; nothing was imported"),
        "{error}"
    );
    fs::write(&damaged, whole).unwrap();
    // Cut between two lines, and within one.
    let rows = folder.join("session.jsonl");
    let whole = fs::read_to_string(&rows).unwrap();
    let count = whole.lines().count();
    let first: Vec<&str> = whole.lines().take(3).collect();
    for (cut, words) in [
        (
            first.join("\n"),
            format!("{} of its {} rows are missing", count - 3, count - 1),
        ),
        (format!("{}\n{{\"table\": \"ru", first[0]), "line 2 of".to_owned()),
        (
            format!("{}\n{{\"rows\": []}}", first[0]),
            "is not understood".to_owned(),
        ),
    ] {
        fs::write(&rows, cut).unwrap();
        let (ok, _, error) = command(&bench, &["sessions", "import", &to]);
        assert!(
            !ok && error.contains(&words) && error.contains("nothing was imported") && !error.contains("untagged"),
            "{words}: {error}"
        );
    }
    fs::write(&rows, whole).unwrap();
    let (ok, told, error) = command(&bench, &["sessions", "import", &to]);
    assert!(ok && told.contains("7 pictures imported"), "{told}{error}");
    let trend = server.tool("get_history", json!({"session": session})).await;
    assert_eq!(trend["iterations"][1]["best"], true, "{trend}");
    let (ok, _, error) = command(&bench, &["sessions", "import", &bench.file("nowhere")]);
    assert!(!ok && error.contains("it is no exported session"), "{error}");
    let (ok, none, _) = command(&bench, &["sessions", "prune", "--idle-days", "30"]);
    assert!(ok && none.contains("nothing to remove"), "{none}");
}

/// Looks at a page in every size and colour scheme; nothing may go wrong, leave the window or touch the network.
async fn looks_right(browser: &mut Browser, page: &Path, shots: &Path) {
    for (width, height) in [(360, 800), (1280, 900)] {
        for scheme in ["light", "dark"] {
            browser.open(page, (width, height), scheme).await;
            assert_eq!(browser.eval("document.documentElement.dataset.ready").await, "yes");
            let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(
                browser.eval(overflow).await,
                0,
                "{width} px: the page is wider than its window"
            );
            let shot = browser.screenshot().await;
            let seen = image::load_from_memory(&shot).unwrap().into_rgb8();
            assert_eq!(seen.dimensions(), (width, height));
            let corner = seen.get_pixel(2, 2).0.map(u32::from).iter().sum::<u32>() / 3;
            assert_eq!(corner > 127, scheme == "light", "the background of the {scheme} page");
            let colours: std::collections::HashSet<[u8; 3]> = seen.pixels().map(|pixel| pixel.0).collect();
            assert!(colours.len() > 200, "a page with pictures on it");
            fs::write(shots.join(format!("{width}-{scheme}.png")), shot).unwrap();
            assert_eq!(browser.complaints(), [""; 0]);
        }
    }
}

fn shots(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn the_report_shows_a_calibration_in_a_browser() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = three_iterations(&bench, &server).await;
    let page = PathBuf::from(bench.file("report.html"));
    let (ok, told, error) = command(&bench, &["report", "--to", &page.display().to_string()]);
    assert!(ok && told.contains("3 iterations"), "{told}{error}");
    let text = fs::read_to_string(&page).unwrap();
    assert!(
        !text.contains("<b>another</b>") && !text.contains("{{"),
        "a note is text, and every place is filled"
    );
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    looks_right(&mut browser, &page, &shots("plain")).await;

    let chosen = "document.querySelector('#film [aria-current=true]').dataset.iteration";
    assert_eq!(browser.eval(chosen).await, "2", "the best at first");
    assert!(
        browser
            .eval("document.querySelector('#head').innerText")
            .await
            .as_str()
            .unwrap()
            .contains("A star")
    );
    browser
        .eval("document.querySelector('[data-iteration=\"1\"]').focus()")
        .await;
    browser.press("ArrowRight").await;
    browser.press("ArrowRight").await;
    assert_eq!(browser.eval(chosen).await, "3");
    assert_eq!(browser.eval("location.hash").await, "#3");
    let details = browser.eval("document.querySelector('#details').innerText").await;
    let details = details.as_str().unwrap();
    assert!(
        details.contains("REVERT 3") && details.contains("<b>another</b> subject & size"),
        "{details}"
    );
    let words = "[...document.querySelectorAll('#details ins')].map(n => n.textContent).join(' ')";
    let inserted = browser.eval(words).await;
    assert!(inserted.as_str().unwrap().contains("circle"), "{inserted}");
    let removed = browser.eval(&words.replace("ins'", "del'")).await;
    assert!(removed.as_str().unwrap().contains("star"), "{removed}");
    assert_eq!(
        browser
            .eval("document.querySelectorAll('#bars [data-axis]').length")
            .await,
        10
    );
    assert_eq!(
        browser.eval("document.querySelectorAll('#trend svg').length > 0").await,
        true
    );
    let pictures = "[...document.querySelectorAll('#stage img')].every(i => i.complete && i.naturalWidth > 100)";
    assert_eq!(browser.eval(pictures).await, true);
    assert_eq!(
        browser.eval("document.querySelectorAll('#stage img').length").await,
        2,
        "beside the reference"
    );
    assert_eq!(browser.complaints(), [""; 0]);
    drop(session);
}

/// A session by an explicit rubric with one picture, put into the history without a judge that could be trusted with it.
async fn explicit_session(bench: &Bench) {
    let store = Store::open(bench.data());
    let rubric = Rubric::load(RubricSource::Builtin("explicit"), &mut |_| {
        panic!("nothing else is extended")
    })
    .unwrap();
    let reference = store
        .put_image(fs::read(bench.file("reference.png")).unwrap())
        .await
        .unwrap();
    let session = NewSession {
        title: Some("secret title".into()),
        workflow: json!({}),
        workflow_hash: GraphHash::of(b"graph"),
        workflow_source: WorkflowSource::Last,
        reference: Some(reference.hash),
        rubric: SessionRubric {
            id: rubric.id.clone(),
            hash: rubric.hash(),
            resolved: serde_json::to_value(&rubric).unwrap(),
            explicit: true,
        },
        target_score: 0.85,
        max_iterations: 3,
        choices: Default::default(),
    };
    let id = store.create_session(session).await.unwrap().id;
    let iteration = NewIteration {
        session: id.clone(),
        parent: None,
        positive: Some("secret prompt".into()),
        negative: None,
        knobs: Default::default(),
        graph: json!({}),
        graph_hash: GraphHash::of(b"graph"),
        changes: Vec::new(),
        note: Some("secret note".into()),
    };
    let n = store.add_iteration(iteration).await.unwrap();
    let picture = store
        .put_image(fs::read(bench.file("generated.png")).unwrap())
        .await
        .unwrap();
    let run = NewRun {
        prompt_id: PromptId::random(),
        session: id,
        iteration: n,
        seed: Seed(1),
        server: "http://127.0.0.1:1/".into(),
    };
    let run = store.prepare_run(run).await.unwrap();
    let image = RunImage {
        ordinal: 0,
        hash: picture.hash,
        filename: "a.png".into(),
        subfolder: String::new(),
        folder_type: "output".into(),
        width: 512,
        height: 512,
    };
    store.record_images(run.prompt_id, vec![image]).await.unwrap();
    let finished = RunUpdate::Finished {
        cached: false,
        seconds: None,
    };
    store.update_run_state(run.prompt_id, finished).await.unwrap();
}

#[tokio::test]
async fn only_iterations_that_ran_count_and_the_call_beyond_the_maximum_says_so() {
    const REACHED: &str = "The maximum is reached: 1 of at most 1 iterations have run.";
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let opened = json!({
        "workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": "a red circle",
        "max_iterations": 1,
    });
    let session = server.tool("inject_prompt", opened).await["session"].clone();
    let draft = json!({"session": session, "positive": "a blue square"});
    let draft = server.tool("inject_prompt", draft).await;
    assert!(!draft.to_string().contains("maximum"), "{draft}");
    let trend = server.tool("get_history", json!({"session": session})).await;
    let told = trend["summary"].as_str().unwrap();
    assert!(told.contains("0 of at most 1 iterations (2 written)"), "{told}");

    let first = server
        .tool("queue_generation", json!({"session": session, "iteration": 1}))
        .await;
    assert!(!first.to_string().contains("maximum"), "{first}");
    let more = json!({"session": session, "positive": "a green square"});
    let more = server.tool("inject_prompt", more).await;
    assert!(more["notes"].to_string().contains(REACHED), "{more}");
    let second = server
        .tool("queue_generation", json!({"session": session, "iteration": 2}))
        .await;
    assert!(second["summary"].as_str().unwrap().contains(REACHED), "{second}");
    let trend = server.tool("get_history", json!({"session": session})).await;
    let told = trend["summary"].as_str().unwrap();
    assert!(told.contains("2 of at most 1 iterations (3 written)"), "{told}");
    let (ok, shown, error) = command(&bench, &["sessions", "show", session.as_str().unwrap()]);
    assert!(ok, "{error}");
    assert!(
        shown.contains("2 of at most 1 iterations (3 written)") && shown.contains("draft"),
        "{shown}"
    );
}

#[tokio::test]
async fn nothing_explicit_is_shown_until_it_is_asked_for() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    explicit_session(&bench).await;
    let page = PathBuf::from(bench.file("report.html"));
    let (ok, _, error) = command(&bench, &["report", "--to", &page.display().to_string()]);
    assert!(ok, "{error}");
    let text = fs::read_to_string(&page).unwrap();
    assert!(
        text.contains("class=\"veiled\"") && !text.contains("secret title"),
        "the tab and the head say nothing"
    );
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    browser.open(&page, (1280, 900), "light").await;
    let blurred = "[...document.querySelectorAll('img, .veil')].length > 3 && \
                   [...document.querySelectorAll('img, .veil')].every(n => getComputedStyle(n).filter.startsWith('blur'))";
    assert_eq!(browser.eval(blurred).await, true);
    let told = "[...document.querySelectorAll('body *')].flatMap(n => [...n.attributes].map(a => a.value)).some(v => v.includes('secret'))";
    assert_eq!(browser.eval(told).await, false, "nor does an attribute");
    let veiled = browser.screenshot().await;
    fs::write(shots("explicit").join("veiled.png"), &veiled).unwrap();
    browser.eval("document.querySelector('#reveal').click()").await;
    assert_eq!(
        browser.eval(&blurred.replace("every", "some")).await,
        false,
        "until the reader asks"
    );
    assert_ne!(browser.screenshot().await, veiled);
    browser.eval("document.querySelector('#reveal').click()").await;
    assert_eq!(browser.eval(blurred).await, true, "and back");
    assert_eq!(browser.complaints(), [""; 0]);
}
