//! The judge itself: its files, whether they belong together, and what it makes of pictures.

use std::path::Path;

use super::check::{Check, Health};
use super::limit::Limit;
use crate::bench::Pictures;
use crate::cli::error::Result;
use crate::cli::show;
use crate::config::Config;
use crate::session::Service;
use imaging::{Limits, Picture, decode};
use judge::bank::bank;
use judge::engine::{EngineInfo, Layout};
use judge::protocol;
use judge::rubric::Rubric;
use judge::score::AxisVerdict;
use judge::verdict::Verdict;
use judge::{Call, Pair};
use llama::Llama;
use llama::memory::{GgufError, Head, Shape, ShapeError};
use types::progress::Teller;

const PULL: &str = "prompt-calibrator models pull 8b (models list shows the others and what fits), or give two files with --model and --mmproj.";

/// Looks into the judge's files, and says whether it is worth loading them. What is well is told when it is loaded.
pub fn files(engine: &Llama, mut tell: impl FnMut(Check)) -> bool {
    match engine.shape() {
        Ok(shape) => {
            if let Some(mismatch) = shape.mismatch() {
                tell(Check::missing(
                    "projector",
                    mismatch,
                    "Use the mmproj file that belongs to this model: same repository, same size.",
                ));
                return false;
            }
            true
        }
        Err(error) => {
            let (check, hopeless) = unread(engine, &error);
            tell(check);
            !hopeless
        }
    }
}

/// Checks the judge, as far as it goes and there is time, and says which work it was set up for.
pub async fn check(
    service: &Service,
    engine: &Llama,
    config: &Config,
    limit: &Limit,
    mut tell: impl FnMut(Check),
) -> Option<Layout> {
    let cancel = &limit.cancel;
    let (teller, updates) = Teller::new();
    let advice = format!(
        "Give it longer: doctor --limit {}; or use a smaller model (models list) or fewer --image-tokens.",
        3 * limit.length.as_secs()
    );
    let late = |what| limit.reached(what, &updates.borrow().message, &advice);
    let info = match show::progress(updates.clone(), service.judge().load(&teller, cancel)).await {
        Ok(info) => info,
        Err(_) if limit.is_reached() => {
            tell(late("model"));
            return None;
        }
        Err(error) => {
            tell(Check::failed("model", Health::Missing, error));
            return None;
        }
    };
    tell(model(&info, config));
    if let Ok(shape) = engine.shape() {
        tell(Check::ok("projector", belongs(shape)));
    }
    let rubric = match service.default_rubric().await {
        Ok(rubric) => rubric,
        Err(error) => {
            tell(Check::failed("rubric", Health::Missing, error));
            return None;
        }
    };
    let call = Call {
        rubric: &rubric,
        // Nobody is in these pictures.
        guarded: false,
        teller: &teller,
        cancel,
    };
    let layout = protocol::layout(&rubric, service.judge().image_tokens());
    let graded = |check: Check| {
        // Of random weights nobody expects more.
        let fails = info.trained && check.health == Health::Warning;
        Check {
            health: if fails { Health::Missing } else { check.health },
            ..check
        }
    };
    let judged = show::progress(updates.clone(), judgement(service, call, &info)).await;
    if limit.is_reached() {
        tell(late("judgement"));
        return Some(layout);
    }
    tell(graded(judged));
    let checked = show::progress(updates.clone(), self_check(service, call, &info)).await;
    if limit.is_reached() {
        tell(late("self-check"));
        return Some(layout);
    }
    tell(graded(checked));
    Some(layout)
}

/// What is wrong with a file, and whether llama.cpp cannot make anything of it either.
fn unread(engine: &Llama, error: &ShapeError) -> (Check, bool) {
    let path = match error {
        ShapeError::File(
            GgufError::Unread { path, .. }
            | GgufError::SomethingElse { path, .. }
            | GgufError::NotGguf { path, .. }
            | GgufError::CutOff { path, .. },
        )
        | ShapeError::Lacks { path, .. } => path,
    };
    let what = engine.role_of(path);
    let fix = match error {
        ShapeError::File(GgufError::CutOff { .. } | GgufError::NotGguf { .. } | GgufError::SomethingElse { .. }) => {
            "The download is not complete, or is something else: get the file again (models verify checks those that models pull fetched)."
        }
        _ => PULL,
    };
    let halves = "--model is the language model, --mmproj its projector: exchange the two, or name the right ones.";
    match (error, is_projector(path)) {
        (ShapeError::Lacks { .. }, true) if what == "model" => (
            Check::missing(what, format!("{} is a vision projector", path.display()), halves),
            true,
        ),
        (ShapeError::Lacks { .. }, false) if what == "projector" => {
            (Check::missing(what, error.to_string(), halves), true)
        }
        // Of an architecture that is not known here llama.cpp may still make something.
        (ShapeError::Lacks { .. }, _) => (
            Check::warning(
                what,
                error.to_string(),
                "Its memory is not planned; what follows says whether it runs.",
            ),
            false,
        ),
        _ => (Check::missing(what, error.to_string(), fix), true),
    }
}

fn is_projector(path: &Path) -> bool {
    Head::read(path).is_ok_and(|head| head.text("general.architecture") == Some("clip"))
}

fn model(info: &EngineInfo, config: &Config) -> Check {
    let found = format!(
        "{}{} ({}, {:.1} M parameters, {:.1} MB) on {}, {}",
        if config.model.is_some() { "" } else { "bundled: " },
        info.name.as_deref().unwrap_or("unnamed"),
        info.architecture,
        info.parameters as f64 / 1e6,
        info.bytes as f64 / 1e6,
        info.backend,
        info.engine,
    );
    if let Some(domain) = &info.domain {
        let found = format!("{found}; it knows {domain} only");
        Check::warning(
            "model",
            found,
            format!("Good for the demo. For your own pictures: {PULL}"),
        )
    } else if !info.trained {
        let found = format!("{found}; its weights are random, its scores mean nothing");
        Check::warning("model", found, format!("For real scores: {PULL}"))
    } else if !info.known_architecture {
        let fix = "It loads as a second opinion; what was measured is Qwen3-VL.";
        Check::warning("model", found, fix)
    } else {
        Check::ok("model", found)
    }
}

fn belongs(shape: &Shape) -> String {
    format!(
        "belongs to the model: vectors of {}, {} a token; {:.1} MB",
        shape.text.width,
        shape.text.inputs,
        shape.vision.weights as f64 / 1e6
    )
}

/// One judgement of two pictures that have little in common.
async fn judgement(service: &Service, call: Call<'_>, info: &EngineInfo) -> Check {
    let judged = async {
        let [reference, generated] = &pictures(info)?;
        let pair = Pair { reference, generated };
        Ok(service.judge().compare(pair, call).await?)
    };
    let judged: Result<Verdict> = judged.await;
    match judged {
        Ok(verdict) => told(&verdict, call.rubric),
        Err(error) => Check::failed("judgement", Health::Missing, error),
    }
}

/// Two pictures that have little in common, of what this judge knows.
fn pictures(info: &EngineInfo) -> Result<[Picture; 2]> {
    if info.domain.is_some() {
        let [first, second, _] = Pictures::scenes().fresh()?;
        return Ok([first, second]);
    }
    let [first, second, ..] = bank();
    let limits = Limits::default();
    Ok([decode(first.bytes, &limits)?, decode(second.bytes, &limits)?])
}

fn told(verdict: &Verdict, rubric: &Rubric) -> Check {
    let of = |kind: AxisVerdict| verdict.axes.iter().filter(|axis| axis.verdict == kind).count();
    let scored = verdict.axes.iter().filter(|axis| axis.score.is_some()).count();
    let refused = of(AxisVerdict::Refused);
    let found = format!(
        "two unlike pictures on the {} axes of the rubric {} in {:.1} s: {scored} scored, {} not visible, {} not told apart, {refused} refused",
        verdict.axes.len(),
        rubric.id,
        verdict.seconds,
        of(AxisVerdict::NotVisible),
        of(AxisVerdict::Unresolved),
    );
    if scored > 0 && refused * 2 <= verdict.axes.len() {
        Check::ok("judgement", found)
    } else {
        let fix =
            "This judge reads too little: use another model, or an abliterated one where it refuses (models list).";
        Check::warning("judgement", found, fix)
    }
}

async fn self_check(service: &Service, call: Call<'_>, info: &EngineInfo) -> Check {
    match service.judge().self_check(call).await {
        Ok(check) => {
            let found = format!(
                "a picture scores {:.2} against itself, {:.2} against an unrelated one, {:.2} against plain grey",
                check.identical, check.unrelated, check.grey
            );
            if check.passed {
                Check::ok("self-check", found)
            } else {
                let fix = if info.trained {
                    "This judge does not tell alike from unlike: use another model, or check that the projector belongs to it."
                } else {
                    "To be expected of random weights; a trained model scores high against itself only."
                };
                Check::warning("self-check", format!("failed: {found}"), fix)
            }
        }
        Err(error) => Check::failed("self-check", Health::Missing, error),
    }
}
