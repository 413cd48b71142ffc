//! `inspect WORKFLOW`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;

use super::error::{CliError, Context, Result};
use super::setup::comfy;
use super::show;
use crate::config::Config;
use comfyui::describe::Description;
use comfyui::error::ComfyError;
use comfyui::graph::{Graph, Wrapped};
use comfyui::inject::{Finding, Pictures, Place, Role, Roles, ShownBy, find, kept_seeds, pictures, reason, report};
use comfyui::lint;
use comfyui::object_info::ObjectInfo;
use comfyui::replacements;
use files::regular;
use text::{Foreign, shortened};

/// Larger files are not read: neither a picture with a workflow nor all definitions of a server are as large.
const MAX_FILE: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// An API-format JSON file, a PNG or WebP that ComfyUI saved, or "last" for ComfyUI's newest run
    workflow: PathBuf,
    /// The nodes' definitions from a file (GET /object_info) instead of the server
    #[arg(long, value_name = "FILE")]
    object_info: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, config: Config) -> Result<ExitCode> {
    let (graph, wrapped) = workflow(&args.workflow, &config).await?;
    let Description { info, replacements } = definitions(&args, &config, &graph).await?;
    let (graph, replaced) = replacements.apply(Arc::new(graph), &info);
    let mut notes: Vec<String> = wrapped
        .iter()
        .map(|place| format!("The workflow was taken from {place} of its file."))
        .collect();
    notes.extend(replacements::in_words(&replaced));
    let roles = find(&graph, &info);
    let pictures = pictures(&graph, &info, &roles);
    notes.extend(lint::notes(&lint::unknown_classes(&graph, &info)));
    notes.extend(lint::notes(&lint::endings(&graph, &info)));
    if args.json {
        let mut told = report(&graph, &roles);
        told["picture"] = match (pictures.result(), pictures.unclear()) {
            (Some(result), _) => serde_json::to_value(result)?,
            (None, []) => Value::Null,
            (None, unclear) => serde_json::json!({ "candidates": unclear }),
        };
        if let Some(told) = told["notes"].as_array_mut() {
            told.extend(notes.into_iter().map(Value::from));
        }
        show::json(&told)?;
    } else {
        show::line(&table(&roles, &pictures));
        for note in &notes {
            show::line(note);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn workflow(named: &Path, config: &Config) -> Result<(Graph, Option<Wrapped>)> {
    if named == Path::new("last") {
        let newest = comfy(config)?.last_graph().await?.ok_or_else(|| {
            CliError::new(
                "ComfyUI's history is empty, so there is no last workflow",
                "Run the workflow once in ComfyUI, or give its file.",
            )
        })?;
        return Ok((Graph::from_json(newest)?, None));
    }
    let bytes = regular::read(named, MAX_FILE).with_context(|| format!("{} cannot be read", named.display()))?;
    Graph::read(&bytes).with_context(|| named.display().to_string())
}

async fn definitions(args: &Args, config: &Config, graph: &Graph) -> Result<Description> {
    if let Some(path) = &args.object_info {
        let text = regular::read(path, MAX_FILE).with_context(|| format!("{} cannot be read", path.display()))?;
        let answer: Value = serde_json::from_slice(&text).map_err(|error| {
            let failed = format!("{} is not JSON: {error}", path.display());
            CliError::new(failed, "Save what ComfyUI answers to GET /object_info, as it is.")
        })?;
        return Ok(Description {
            info: ObjectInfo::from_json(&answer).complete(),
            ..Description::default()
        });
    }
    match comfy(config)?.describe(&[graph]).await {
        Ok(description) => Ok(description),
        Err(error) => {
            let (why, fix) = match error {
                ComfyError::Unreachable { url, .. } => (
                    format!("nothing answers at {url}"),
                    "Start ComfyUI, or give --object-info FILE.".to_owned(),
                ),
                other => (
                    other.to_string(),
                    format!("{} Or give --object-info FILE.", other.hint()),
                ),
            };
            show::note(&format!(
                "without the nodes' definitions this goes by names alone ({why}). {fix}"
            ));
            Ok(Description::default())
        }
    }
}

fn table(roles: &Roles, pictures: &Pictures) -> String {
    let mut table = show::table(["role", "place", "node", "value"]);
    let mut questions = String::new();
    for (role, finding) in roles.iter() {
        let nowhere = match finding {
            Finding::Found { .. } => None,
            Finding::Candidates { places, why } => {
                let first = places.first().map(Place::key).unwrap_or_default();
                questions.push_str(&format!(
                    "\n{role} is not unique: {why}. inject_prompt asks, and is answered with place: {{\"{role}\": \"{first}\"}}, say."
                ));
                None
            }
            Finding::Zeroed => Some("zeroed, so there is none"),
            Finding::Absent => Some("none"),
        };
        if let Some(nowhere) = nowhere {
            table.add_row([role.name(), nowhere, "", ""]);
        }
        let mark = if matches!(finding, Finding::Candidates { .. }) {
            "? "
        } else {
            ""
        };
        for place in finding.places() {
            let value = match &place.value {
                Value::String(text) => on_a_line(text),
                other => other.to_string(),
            };
            table.add_row([role.name(), &format!("{mark}{}", place.key()), &place.title, &value]);
        }
    }
    for said in Role::ALL.into_iter().filter_map(|role| reason(roles, role)) {
        questions.push_str(&format!("\n{said}"));
    }
    if let Some(kept) = kept_seeds(roles) {
        questions.push_str(&format!("\n{kept}"));
    }
    let named = |shown: &ShownBy| format!("{} ({:#})", shown.node, Foreign(&on_a_line(&shown.title)));
    match (pictures.result(), pictures.unclear()) {
        (Some(result), _) if pictures.ranked().len() > 1 => {
            questions.push_str(&format!(
                "\nOf the pictures shown, that of {} is judged.",
                named(result)
            ));
        }
        (None, [first, ..]) => {
            let all: Vec<String> = pictures.unclear().iter().map(named).collect();
            questions.push_str(&format!(
                "\nWhich picture is judged is not unique: {}. queue_generation asks, and is answered with place: \
                 {{\"picture\": \"{}\"}}, say.",
                all.join(", "),
                first.node
            ));
        }
        _ => {}
    }
    format!("{table}{questions}")
}

/// A value on one line of the table.
fn on_a_line(text: &str) -> String {
    shortened(&text.replace('\n', " "), 60)
}
