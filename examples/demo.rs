//! The offline demo: a whole calibration on a machine that has nothing.
//!
//! Real: the server (a child process, over MCP), the judge in the binary, the history, the statistics and the report. Stand-ins: ComfyUI
//! (a server that speaks its API and draws scenes from the words of a prompt, not always as it is told) and the agent (a
//! script that sees the tools' results only). `tools/demo.sh` builds what is needed and runs it.
//!
//! `--seeds 1-20 --check` runs it for other references and fails where fewer than nine in ten reach the target.

#[path = "demo/agent.rs"]
mod agent;
#[path = "demo/client.rs"]
mod client;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use agent::{Agent, scores};
use anyhow::{Context, bail};
use clap::Parser;
use client::Server;
use comfyui_stand_in::studio::Studio;
use indicatif::{ProgressBar, ProgressStyle};
use scenes::Scene;
use serde_json::{Value, json};
use tokio::process::Command;

/// Of what a prompt says of an attribute, the stand-in follows this share.
const ADHERENCE: f64 = 0.85;
/// The score to reach.
const TARGET: f64 = 0.85;
/// Iterations within which it has to be reached.
const ITERATIONS: u64 = 12;
/// Every iteration is rendered with these, so that changes are compared seed by seed.
const SEEDS: [u64; 2] = [1, 2];
/// Pixels a side of the reference.
const SIDE: u32 = 512;
/// The share of calibrations that have to reach the target.
const ENOUGH: f64 = 0.9;
/// Calls of tools in one calibration, at most: twelve iterations with all the seeds they may ask for.
const MOST_STEPS: usize = 60;

#[derive(Parser)]
struct Arguments {
    /// Which references to calibrate to: a number, or two with a dash between them
    #[arg(long, default_value = "6", value_parser = range)]
    seeds: std::ops::RangeInclusive<u64>,
    /// Fail where fewer than nine in ten reach the target
    #[arg(long)]
    check: bool,
    /// Write the calls and results of the last calibration here
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
}

fn range(text: &str) -> Result<std::ops::RangeInclusive<u64>, std::num::ParseIntError> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Ok(from.parse()?..=to.parse()?)
}

/// What a calibration came to.
struct Outcome {
    reached: bool,
    first: f64,
    best: f64,
    iterations: u64,
    pictures: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let (program, folder) = places()?;
    say("Prompt Calibrator: a calibration without ComfyUI, GPU or download\n")?;
    say("  real      the MCP server, the judge (the small one in the binary), history, statistics, report")?;
    say(
        "  STAND-IN  ComfyUI: a server that speaks its API, runs no model and draws scenes from the words of the prompt;",
    )?;
    say(format!(
        "            it follows {:.0} % of what is said, other seeds miss other things",
        ADHERENCE * 100.0
    ))?;
    say("  STAND-IN  the agent: a script that sees what the tools answer, and nothing else")?;
    let mut outcomes = Vec::new();
    for seed in arguments.seeds.clone() {
        let outcome = calibrate(&program, &folder, seed, arguments.transcript.as_deref()).await?;
        outcomes.push((seed, outcome));
    }
    if outcomes.len() > 1 {
        say("\n reference   first   best   iterations   pictures")?;
        for (seed, o) in &outcomes {
            say(format!(
                " {seed:>9}   {:>5.2}   {:>4.2}   {:>10}   {:>8}   {}",
                o.first,
                o.best,
                o.iterations,
                o.pictures,
                if o.reached { "reached" } else { "not reached" }
            ))?;
        }
    }
    let reached = outcomes.iter().filter(|(_, o)| o.reached).count();
    let share = reached as f64 / outcomes.len().max(1) as f64;
    if arguments.check {
        say(format!(
            "\nReached {TARGET} within {ITERATIONS} iterations: {reached} of {}.",
            outcomes.len()
        ))?;
        if share < ENOUGH {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One calibration to the reference of this number, in a data folder of its own.
async fn calibrate(program: &Path, folder: &Path, seed: u64, transcript: Option<&Path>) -> anyhow::Result<Outcome> {
    let data = folder.join(format!("calibration-{seed}"));
    if data.exists() {
        fs::remove_dir_all(&data).with_context(|| format!("{} cannot be emptied", data.display()))?;
    }
    fs::create_dir_all(&data)?;
    let reference = data.join("reference.png");
    let drawn = scenes::draw(&Scene::random(&mut scenes::rng(seed)), SIDE);
    image::save_buffer(&reference, &drawn.rgb, SIDE, SIDE, image::ColorType::Rgb8)?;
    let workflow = data.join("workflow.json");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workflows/text_to_image.json");
    fs::copy(&example, &workflow).with_context(|| format!("{} cannot be copied", example.display()))?;

    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::from_millis(15))
        .await?
        .with_adherence(ADHERENCE);
    let url = studio.url();
    let studio = tokio::spawn(studio.serve());
    let bar = ProgressBar::new(100);
    let style = ProgressStyle::with_template("     {spinner} {prefix}  {bar:24} {msg}")?;
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    let started = Instant::now();
    let server = Server::start(program, &data, &url, bar.clone()).await?;
    let mut loop_ = Calibration {
        server,
        bar: bar.clone(),
        agent: Agent::new(&json!({})),
        shown: Vec::new(),
    };
    let (session, outcome) = loop_.run(&workflow, &reference, seed).await?;
    let calls = loop_.server.end().await?;
    bar.finish_and_clear();
    studio.abort();

    let report = folder.join(format!("calibration-{seed}.html"));
    let written = Command::new(program)
        .args(["--log", "warn", "--data-dir"])
        .arg(&data)
        .args(["report", &session, "--to"])
        .arg(&report)
        .output()
        .await?;
    if !written.status.success() {
        bail!("the report failed: {}", String::from_utf8_lossy(&written.stderr));
    }
    if let Some(file) = transcript {
        fs::write(file, told(&calls, &data, env!("CARGO_MANIFEST_DIR"))?)?;
    }
    say(format!(
        "\n  {}: {:.2} → {:.2} in {} iterations and {} pictures, {:.0} s.",
        if outcome.reached {
            "The target is reached"
        } else {
            "The target was NOT reached"
        },
        outcome.first,
        outcome.best,
        outcome.iterations,
        outcome.pictures,
        started.elapsed().as_secs_f64()
    ))?;
    say(format!("  Open in a browser: {}", short(&report)))?;
    Ok(outcome)
}

struct Calibration {
    server: Server,
    bar: ProgressBar,
    agent: Agent,
    shown: Vec<u64>,
}

impl Calibration {
    async fn run(&mut self, workflow: &Path, reference: &Path, seed: u64) -> anyhow::Result<(String, Outcome)> {
        self.tell(&format!("\nReference {seed}: what does it show?"));
        let looked = self
            .server
            .call("judge_pair", json!({ "reference": reference }))
            .await?;
        self.tell(&format!("  {}", words(&looked["reference_values"])));
        self.agent = Agent::new(&looked["reference_values"]);
        self.tell("\n  it.  score                   decision        what was changed");
        let draft = self
            .server
            .call(
                "inject_prompt",
                json!({
                    "workflow": workflow, "reference": reference, "positive": self.agent.prompt(), "target_score": TARGET,
                    "max_iterations": ITERATIONS, "title": format!("Offline demo, reference {seed}"),
                    "note": "a first guess in a few words",
                }),
            )
            .await?;
        let session = draft["session"].as_str().context("no session was opened")?.to_owned();
        let asked = json!({ "session": session, "seeds": SEEDS, "judge": true });
        let mut made = self.server.call("queue_generation", asked).await?;
        let first = made["overall_score"].as_f64().unwrap_or_default();
        let (mut pictures, mut reached) = (0, false);
        let mut results = std::collections::BTreeMap::new();
        let mut iterations = 1;
        self.agent.made(1);
        self.line(1, &made, "a first guess in a few words");
        for _ in 0..MOST_STEPS {
            pictures += made["runs"].as_array().map_or(0, Vec::len);
            if let Some(n) = made["iteration"].as_u64().filter(|n| !results.contains_key(n)) {
                results.insert(n, scores(&made));
            }
            let told = self
                .server
                .call("get_history", json!({ "session": session, "advice": true }))
                .await?;
            let advice = &told["advice"];
            let parent = advice["parent"].as_u64().unwrap_or(1);
            match advice["step"].as_str().unwrap_or_default() {
                "more_seeds" | "rescore" => {
                    let runs = advice["run"].as_object().cloned().unwrap_or_default();
                    for (n, seeds) in runs {
                        let n: u64 = n.parse()?;
                        made = self
                            .server
                            .call(
                                "queue_generation",
                                json!({ "session": session, "iteration": n, "seeds": seeds, "judge": true }),
                            )
                            .await?;
                        self.line(n, &made, &format!("seeds {seeds}"));
                    }
                }
                "change" => {
                    let scores = results.get(&parent).cloned().unwrap_or_default();
                    let Some(note) = self.agent.correct(parent, advice["axis"].as_str(), &scores) else {
                        self.tell("  The agent has no idea left.");
                        break;
                    };
                    let asked = json!({
                        "session": session, "parent": parent, "positive": self.agent.prompt(), "seeds": SEEDS, "judge": true,
                        "note": note,
                    });
                    made = self.server.call("queue_generation", asked).await?;
                    iterations = made["iteration"].as_u64().unwrap_or(iterations);
                    self.agent.made(iterations);
                    self.line(iterations, &made, &note);
                }
                step => {
                    reached = step == "stop" && advice["why"] == "reached";
                    self.tell(&format!("\n  {}", told["summary"].as_str().unwrap_or_default()));
                    break;
                }
            }
        }
        let last = self.server.call("get_history", json!({ "session": session })).await?;
        let best = last["iterations"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|row| row["best"] == true);
        let best = best.and_then(|row| row["overall_score"].as_f64()).unwrap_or_default();
        let outcome = Outcome {
            reached: reached && iterations <= ITERATIONS,
            first,
            best,
            iterations,
            pictures,
        };
        Ok((session, outcome))
    }

    /// An iteration in a line.
    fn line(&mut self, n: u64, made: &Value, note: &str) {
        let score = made["overall_score"].as_f64().unwrap_or_default();
        let filled = (score * 20.0).round() as usize;
        let decision = made["decision"].as_str().unwrap_or("").replace('_', " ");
        let again = if self.shown.contains(&n) { "fresh seeds" } else { "" };
        self.shown.push(n);
        let told = if decision.is_empty() { again } else { &decision };
        self.tell(&format!(
            "  {n:>3}  {score:.2} {}{}  {told:<14}  {note}",
            "█".repeat(filled),
            "░".repeat(20 - filled.min(20))
        ));
    }

    /// Says something above the progress bar.
    fn tell(&self, line: &str) {
        self.bar.suspend(|| {
            // A closed pipe is no error.
            let _ = say(line);
        });
    }
}

fn words(target: &Value) -> String {
    let said = target.as_object().into_iter().flatten();
    said.map(|(axis, words)| format!("{axis} {}", words.as_str().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The transcript as a page for people, without this machine's folders.
fn told(calls: &[(String, Value, Value)], data: &Path, repository: &str) -> anyhow::Result<String> {
    let mut text = String::from(
        "# A calibration, call by call\n\nWritten by the offline demo: the server and the judge are real, ComfyUI and the agent are stand-ins.\n\
         `tools/demo.sh --transcript FILE` writes it anew. Paths are shortened.\n",
    );
    for (at, (tool, arguments, result)) in calls.iter().enumerate() {
        write!(
            text,
            "\n## {}. {tool}\n\n```json\n{}\n```\n\n```json\n{}\n```\n",
            at + 1,
            serde_json::to_string_pretty(arguments)?,
            serde_json::to_string_pretty(result)?
        )?;
    }
    Ok(text.replace(&data.display().to_string(), "…").replace(repository, "…"))
}

/// The binary beside this example, and a folder for what the demo makes.
fn places() -> anyhow::Result<(PathBuf, PathBuf)> {
    // target/release/examples/demo
    let own = std::env::current_exe().context("this program's own file cannot be found")?;
    let profile = own
        .parent()
        .and_then(Path::parent)
        .context("this example does not lie in a target folder")?;
    let program = profile.join(format!("prompt-calibrator{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        bail!(
            "{} is missing: build both with `cargo build --release --bin prompt-calibrator --example demo`",
            program.display()
        );
    }
    let folder = profile.parent().unwrap_or(profile).join("demo");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok((program, folder))
}

/// A path as seen from where this was started, where it lies below.
fn short(path: &Path) -> String {
    let below = std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}

fn say(line: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", line.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
