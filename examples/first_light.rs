//! First light: the main job on bundled input, through the real binary over MCP.
//!
//! The judge compares two bundled pictures; then a calibration of a few iterations runs through ComfyUI's API, each judged
//! and corrected, and is looked up in the history. This example plays the agent's part. ComfyUI is the configured one if it
//! answers and has a checkpoint; otherwise a stand-in that this example starts itself. `tools/demo.sh` builds what is needed
//! and runs it.

#[path = "first_light/agent.rs"]
mod agent;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agent::{Agent, moved, scores};
use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use comfyui_stand_in::studio::Studio;
use indicatif::ProgressBar;
use prompt_calibrator::comfy::client::{Auth, Client, ClientConfig};
use prompt_calibrator::comfy::error::ComfyError;
use prompt_calibrator::config::{ComfyuiAuth, Config, Environment, Settings};
use rmcp::model::{CallToolRequestParams, ContentBlock, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// For everything together: a large judge on a CPU takes minutes.
const WHOLE: Duration = Duration::from_secs(30 * 60);
/// For one call: each answers within its `wait_s` (50 s by default), with a handle if need be.
const CALL: Duration = Duration::from_secs(120);
/// For starting the server, and for ending it.
const START: Duration = Duration::from_secs(30);

/// The calibration ends here at the latest.
const ITERATIONS: usize = 4;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    timeout(WHOLE, run()).await.context("first light took too long")?
}

async fn run() -> anyhow::Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (program, data) = places()?;
    let examples = repository.join("examples");
    let reference = examples.join("pictures/reference.png");
    let generated = examples.join("pictures/generated.png");

    say("Prompt Calibrator, first light")?;
    say(format!("  program  {}", short(&program)))?;
    say(format!("  data     {}", short(&data)))?;
    let comfyui = comfyui(&examples.join("workflows/text_to_image.json"), &data).await?;
    say(format!("  ComfyUI  {}", comfyui.what))?;
    let session = Session::start(&program, &data, &examples, &comfyui.url).await?;
    let tools = timeout(START, session.client.list_all_tools()).await??;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    say(format!("  tools    {}", names.join(", ")))?;

    say("\n1. The judge compares two pictures.")?;
    let pair = session
        .call(
            "judge_pair",
            json!({ "reference": reference, "generated": generated, "images": true }),
        )
        .await?;
    verdict(&pair.value)?;
    let sheet = data.join("pair.jpg");
    pair.save_picture(&sheet)?;

    say("\n2. A calibration: write a prompt, render it, judge it, say more of what scores worst.")?;
    let (id, last) = calibration(&session, &comfyui.workflow, &reference, &data).await?;
    let history = session.call("get_history", json!({ "session": id })).await?;
    for row in history.value["iterations"].as_array().into_iter().flatten() {
        say(format!(
            "     iteration {}: {}, score {}, \"{}\"",
            row["iteration"],
            row["state"].as_str().unwrap_or("?"),
            number(&row["overall_score"]),
            row["positive"].as_str().unwrap_or_default(),
        ))?;
    }
    session.end().await?;

    say("\nDone. Look at:")?;
    say(format!("  {}  the compared pair, side by side", short(&sheet)))?;
    say(format!("  {}  what the last iteration rendered", short(&last)))?;
    let flags = pair.value["flags"].as_array().cloned().unwrap_or_default();
    if flags.iter().any(|flag| flag == "untrained_model") {
        say(
            "\nThe judge's weights are random: everything above was computed, and the scores mean nothing. The README (\"Models\n\
             and memory\") says which trained models to use.",
        )?;
    }
    if flags.iter().any(|flag| flag == "narrow_model") {
        say(
            "\nThe judge that ships in the binary is small, and has seen rendered scenes like these and nothing else. For your own\n\
             pictures it needs a large one: the README (\"Models and memory\") says which.",
        )?;
    }
    if comfyui.stand_in {
        say("The pictures of step 2 were drawn by the stand-in from the words of the prompts, not by an image model.")?;
    }
    Ok(())
}

/// A few iterations in a session of their own; gives its id and the last picture.
async fn calibration(
    session: &Session,
    workflow: &Path,
    reference: &Path,
    data: &Path,
) -> anyhow::Result<(String, PathBuf)> {
    let looked = session.call("judge_pair", json!({ "reference": reference })).await?;
    let mut agent = Agent::new(&looked.value["target"]);
    let draft = session
        .call(
            "inject_prompt",
            json!({
                "workflow": workflow,
                "reference": reference,
                "positive": agent.prompt(),
                "knobs": { "steps": 8 },
                "note": "the main things, in plain words",
                "title": "first light",
            }),
        )
        .await?;
    let id = draft.text("session")?;
    let mut asked = json!({ "session": id, "judge": true });
    let (mut before, mut last) = (None, PathBuf::new());
    for iteration in 1..=ITERATIONS {
        let queued = session.call("queue_generation", asked).await?;
        let run = &queued.value["runs"][0];
        let picture = run["pictures"][0].as_str().context("the run made no picture")?;
        last = data.join(format!("iteration-{iteration}.png"));
        fs::copy(picture, &last).with_context(|| format!("{picture} cannot be copied"))?;
        let now = scores(&run["scores"]);
        say(format!("     overall {}", number(&run["scores"]["overall_score"])))?;
        if let Some(before) = &before {
            let moved = moved(before, &now);
            let moved = if moved.is_empty() {
                "nothing".to_owned()
            } else {
                moved.join(", ")
            };
            say(format!("     moved: {moved}"))?;
        }
        let corrected = agent.correct(&now);
        if corrected.is_empty() {
            say("     Whatever scored low has been said: nothing is left to correct.")?;
            break;
        }
        let worst = corrected.join(", ");
        say(format!("     worst of what the prompt does not say: {worst}"))?;
        before = Some(now);
        asked = json!({
            "session": id,
            "positive": agent.prompt(),
            "note": format!("said as the reference shows it: {worst}"),
            "judge": true,
        });
    }
    Ok((id, last))
}

/// The binary beside this example, and a folder for data below the same target folder.
fn places() -> anyhow::Result<(PathBuf, PathBuf)> {
    // target/release/examples/first_light
    let own = std::env::current_exe().context("this program's own file cannot be found")?;
    let profile = own
        .parent()
        .and_then(Path::parent)
        .context("this example does not lie in a target folder")?;
    let program = profile.join(format!("prompt-calibrator{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        bail!(
            "{} is missing: build both with `cargo build --release --bin prompt-calibrator --example first_light`",
            program.display()
        );
    }
    let data = profile.parent().unwrap_or(profile).join("first-light");
    fs::create_dir_all(&data).with_context(|| format!("{} cannot be made", data.display()))?;
    Ok((program, data))
}

/// Where step 2 renders.
struct Comfyui {
    url: String,
    /// A workflow for it, in API format.
    workflow: PathBuf,
    stand_in: bool,
    /// In words.
    what: String,
}

/// The configured ComfyUI if it can render, else a stand-in on a free port, which lasts as long as this process.
async fn comfyui(workflow: &Path, data: &Path) -> anyhow::Result<Comfyui> {
    let config = Config::resolve(Settings::default(), &Environment::from_process())?;
    let url = config.comfyui.value.to_string();
    let why = match checkpoint(&config).await {
        Ok((version, Some(name))) => {
            let mut graph: Value = serde_json::from_slice(&fs::read(workflow)?)?;
            graph["1"]["inputs"]["ckpt_name"] = json!(name);
            let own = data.join("text_to_image.json");
            fs::write(&own, serde_json::to_vec_pretty(&graph)?)?;
            return Ok(Comfyui {
                what: format!("{version} at {url} with the checkpoint {name}"),
                url,
                workflow: own,
                stand_in: false,
            });
        }
        Ok((version, None)) => format!("ComfyUI {version} at {url} has no checkpoint"),
        Err(error) => match error.downcast_ref() {
            Some(ComfyError::Unreachable { .. }) => format!("no ComfyUI answers at {url}"),
            _ => error.to_string(),
        },
    };
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::from_millis(20)).await?;
    let url = studio.url();
    tokio::spawn(studio.serve());
    Ok(Comfyui {
        what: format!("a STAND-IN at {url}: it speaks ComfyUI's API and runs no model ({why})"),
        url,
        workflow: workflow.to_owned(),
        stand_in: true,
    })
}

/// The configured ComfyUI's version, and its first checkpoint if it has any.
async fn checkpoint(config: &Config) -> anyhow::Result<(String, Option<String>)> {
    const LOADER: &str = "CheckpointLoaderSimple";
    let mut settings = ClientConfig::new(config.comfyui.value.clone());
    settings.auth = match &config.comfyui_auth {
        ComfyuiAuth::None => Auth::None,
        ComfyuiAuth::Token(token) => Auth::Bearer(token.expose().to_owned()),
        ComfyuiAuth::Basic { user, password } => Auth::Basic {
            user: user.expose().to_owned(),
            password: password.expose().to_owned(),
        },
    };
    let client = Client::new(settings)?;
    let version = client.system_stats().await?.version;
    let definitions = client.object_info_for(&[LOADER]).await?;
    let name = definitions.get(LOADER).and_then(Option::as_ref).and_then(|definition| {
        let input = &definition["input"]["required"]["ckpt_name"];
        // Older servers list the names themselves, newer ones among the options of a COMBO.
        let names = input[0].as_array().or_else(|| input[1]["options"].as_array())?;
        names.first()?.as_str().map(str::to_owned)
    });
    Ok((version, name))
}

/// Shows what a call is doing, on a terminal.
struct Watcher(ProgressBar);

impl ClientHandler for Watcher {
    async fn on_progress(&self, progress: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        self.0.set_message(progress.message.unwrap_or_default());
    }
}

/// A client of the server that it started.
struct Session {
    client: RunningService<RoleClient, Watcher>,
    spinner: ProgressBar,
}

impl Session {
    async fn start(program: &Path, data: &Path, examples: &Path, comfyui: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["--log", "warn", "--comfyui", comfyui]);
        command.arg("--data-dir").arg(data).arg("--root").arg(examples);
        command.arg("--root").arg(data).arg("serve").kill_on_drop(true);
        let spinner = ProgressBar::new_spinner();
        let transport = TokioChildProcess::new(command).context("the server could not be started")?;
        let client = timeout(START, Watcher(spinner.clone()).serve(transport))
            .await
            .context("the server did not answer")?
            .context("the server ended before it answered; its reason stands above")?;
        Ok(Self { client, spinner })
    }

    /// Calls a tool until it is done, and tells the call and its summary.
    async fn call(&self, tool: &'static str, arguments: Value) -> anyhow::Result<Answer> {
        say(format!("\n   {tool}"))?;
        for (name, value) in arguments.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), short);
            say(format!("     {name}: {value}"))?;
        }
        let started = Instant::now();
        let mut given = arguments.clone();
        loop {
            let params =
                CallToolRequestParams::new(tool).with_arguments(given.as_object().cloned().unwrap_or_default());
            self.spinner.enable_steady_tick(Duration::from_millis(120));
            let result = timeout(CALL, self.client.call_tool(params)).await;
            self.spinner.disable_steady_tick();
            self.spinner.finish_and_clear();
            self.spinner.reset();
            let result = result.with_context(|| format!("{tool} did not answer"))??;
            let texts: Vec<&str> = result
                .content
                .iter()
                .filter_map(|c| Some(c.as_text()?.text.as_str()))
                .collect();
            if result.is_error == Some(true) {
                bail!("{tool} failed: {}", texts.join("\n"));
            }
            let value = result
                .structured_content
                .context("a result without structured content")?;
            if let Some(handle) = value["handle"].as_str() {
                given = json!({ "handle": handle, "images": arguments["images"] == true });
            } else if value["state"] == "running" {
                given = json!({ "session": value["session"], "iteration": value["iteration"], "judge": true });
            } else {
                let summary = value["summary"].as_str().context("a result without a summary")?;
                say(format!("     → {summary} [{:.1} s]", started.elapsed().as_secs_f64()))?;
                return Ok(Answer {
                    content: result.content,
                    value,
                });
            }
        }
    }

    async fn end(self) -> anyhow::Result<()> {
        timeout(START, self.client.cancel())
            .await
            .context("the server did not end")??;
        Ok(())
    }
}

/// What a tool answered.
struct Answer {
    value: Value,
    content: Vec<ContentBlock>,
}

impl Answer {
    fn text(&self, name: &str) -> anyhow::Result<String> {
        let text = self.value[name].as_str();
        Ok(text
            .with_context(|| format!("there is no {name} in {}", self.value))?
            .to_owned())
    }

    fn save_picture(&self, file: &Path) -> anyhow::Result<()> {
        let picture = self.content.iter().find_map(ContentBlock::as_image);
        let bytes = STANDARD.decode(&picture.context("no picture came back")?.data)?;
        fs::write(file, bytes).with_context(|| format!("{} cannot be written", file.display()))
    }
}

/// The three worst axes.
fn verdict(scores: &Value) -> anyhow::Result<()> {
    let axes = scores["axes"].as_array().context("a judgement without axes")?;
    if axes.is_empty() {
        bail!("a judgement without axes");
    }
    say("     worst first: axis, score, raw, verdict; in the reference / in the other picture")?;
    for axis in axes.iter().take(3) {
        let word = |name: &str| axis[name].as_str().unwrap_or("?").to_owned();
        let (id, verdict, shown, made) = (word("id"), word("verdict"), word("ref"), word("gen"));
        let (score, raw) = (number(&axis["score"]), number(&axis["raw"]));
        say(format!(
            "       {id:<16} {score:>4}  {raw:>4}  {verdict}; {shown} / {made}"
        ))?;
    }
    Ok(())
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "none".to_owned(), |x| format!("{x:.2}"))
}

/// A path as seen from the repository.
fn short(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let within = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path);
    within.display().to_string()
}

/// Prints a line. A closed pipe is an error, and ends the example.
fn say(line: impl AsRef<str>) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{}", line.as_ref()).context("nobody reads this")
}
