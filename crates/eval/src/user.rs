//! The user's own pairs: how well the judge's values follow the known answers.

use std::path::Path;

use super::asker::{Asker, mean};
use super::folder::{self, KnownPair};
use super::report::{Estimate, Measure, Rival, TestReport, WorstCase};
use super::{EvalError, Fit, Plan, fit, numbers};
use files::regular;
use imaging::{Limits, Picture, Signals, decode, preview};
use judge::calibration::FIT_VERSION;
use judge::protocol::Evidence;
use types::progress::Meter;

/// Cases kept for the page.
const WORST: usize = 12;
/// Pixels a side of a picture on the page.
const PAGE_SIDE: u32 = 192;

/// What was measured on a folder.
pub(super) struct Measured {
    pub test: TestReport,
    pub rivals: Vec<Rival>,
    pub worst: Vec<WorstCase>,
    pub fit: Option<Fit>,
}

pub(super) async fn run(plan: &Plan<'_>, asker: &Asker<'_>, root: &Path) -> Result<Measured, EvalError> {
    let axes: Vec<&str> = asker.rubric().axes.iter().map(|a| a.id.as_str()).collect();
    let mut pairs = folder::read(root, &axes)?;
    pairs.truncate(plan.cases.max(1));
    let modes = [Evidence::None, Evidence::Values, Evidence::Difference];
    let meter = Meter::new(plan.teller, "your pairs", (pairs.len() * modes.len()) as u64);
    let mut rivals = Vec::new();
    let mut chosen: Option<(Evidence, Mode)> = None;
    let mut worst = Vec::new();
    for mode in modes {
        let mut seen = Mode::new(axes.len());
        for pair in &pairs {
            let (reference, other) = (load(root, &pair.reference)?, load(root, &pair.generated)?);
            let raws = asker.pair(&reference, &other, mode).await?.raws();
            seen.note(&axes, pair, &raws);
            if mode == plan.evidence {
                keep_worst(&mut worst, &axes, pair, &raws, &reference, &other)?;
            }
            meter.step();
        }
        rivals.push(Rival {
            name: format!("evidence {}", mode.as_str()),
            numbers: seen.numbers(),
        });
        let error = seen.error();
        if chosen.as_ref().is_none_or(|(_, best)| error < best.error()) {
            chosen = Some((mode, seen));
        }
    }
    rivals.extend(signals(root, &pairs)?);
    let own = rivals
        .iter()
        .find(|r| r.name == format!("evidence {}", plan.evidence.as_str()));
    let measures = own.map(|r| r.numbers.clone()).unwrap_or_default();
    worst.sort_by(|a: &WorstCase, b| b.error.total_cmp(&a.error));
    worst.truncate(WORST);
    Ok(Measured {
        test: TestReport {
            id: "pairs".into(),
            title: format!("{} known pairs", pairs.len()),
            measures: measures
                .into_iter()
                .map(|(name, estimate)| Measure {
                    name,
                    estimate,
                    target: None,
                    world_class: None,
                })
                .collect(),
        },
        rivals,
        worst,
        fit: chosen.map(|(evidence, seen)| Fit {
            version: FIT_VERSION,
            evidence,
            maps: fit::maps(asker, &seen.known),
            cases: pairs.len(),
            seed: plan.seed,
        }),
    })
}

/// What one way of asking said of the pairs.
struct Mode {
    /// Per axis (raw, known).
    known: Vec<Vec<(f64, f64)>>,
    overall: Vec<(f64, f64)>,
}

impl Mode {
    fn new(axes: usize) -> Self {
        Self {
            known: vec![Vec::new(); axes],
            overall: Vec::new(),
        }
    }

    fn note(&mut self, axes: &[&str], pair: &KnownPair, raws: &[f64]) {
        for (id, known) in &pair.axes {
            if let Some(at) = axes.iter().position(|a| a == id) {
                self.known[at].push((raws[at], *known));
            }
        }
        if let Some(known) = pair.overall {
            self.overall.push((mean(raws), known));
        }
    }

    fn all(&self) -> Vec<(f64, f64)> {
        let mut all: Vec<(f64, f64)> = self.known.iter().flatten().copied().collect();
        if all.is_empty() {
            all.clone_from(&self.overall);
        }
        all
    }

    fn error(&self) -> f64 {
        mean(
            &self
                .all()
                .iter()
                .map(|(raw, known)| (raw - known).abs())
                .collect::<Vec<_>>(),
        )
    }

    fn numbers(&self) -> Vec<(String, Estimate)> {
        let mut numbers = Vec::new();
        let mut add = |what: &str, pairs: &[(f64, f64)]| {
            if pairs.is_empty() {
                return;
            }
            let errors: Vec<f64> = pairs.iter().map(|(raw, known)| (raw - known).abs()).collect();
            numbers.push((format!("{what}, mean error"), numbers::mean(&errors)));
            let (raws, known): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            if let Some(rho) = numbers::spearman(&raws, &known) {
                numbers.push((format!("{what}, Spearman"), exact(rho, pairs.len())));
            }
        };
        let axes: Vec<(f64, f64)> = self.known.iter().flatten().copied().collect();
        add("axes", &axes);
        add("overall", &self.overall);
        numbers
    }
}

fn exact(value: f64, cases: usize) -> Estimate {
    Estimate {
        value,
        low: value,
        high: value,
        cases,
    }
}

fn signals(root: &Path, pairs: &[KnownPair]) -> Result<Vec<Rival>, EvalError> {
    let mut columns: [Vec<f64>; 3] = Default::default();
    let mut known = Vec::new();
    for pair in pairs {
        let answers: Vec<f64> = pair.axes.iter().map(|(_, known)| *known).collect();
        known.push(pair.overall.unwrap_or_else(|| mean(&answers)));
        let signals = Signals::between(&load(root, &pair.reference)?, &load(root, &pair.generated)?)?;
        let values = [-signals.hog, signals.ssim, -f64::from(signals.phash)];
        for (column, value) in columns.iter_mut().zip(values) {
            column.push(value);
        }
    }
    let names = ["HOG distance", "SSIM", "perceptual hash"];
    Ok(names
        .iter()
        .zip(&columns)
        .map(|(name, column)| Rival {
            name: (*name).to_owned(),
            numbers: numbers::spearman(column, &known)
                .map(|rho| ("overall, Spearman".to_owned(), exact(rho, known.len())))
                .into_iter()
                .collect(),
        })
        .collect())
}

fn keep_worst(
    worst: &mut Vec<WorstCase>,
    axes: &[&str],
    pair: &KnownPair,
    raws: &[f64],
    reference: &Picture,
    other: &Picture,
) -> Result<(), EvalError> {
    let off = pair.axes.iter().filter_map(|(id, known)| {
        let at = axes.iter().position(|a| a == id)?;
        Some((id.as_str(), raws[at], *known))
    });
    let overall = pair.overall.map(|known| ("overall", mean(raws), known));
    let Some((id, raw, known)) = off
        .chain(overall)
        .max_by(|a, b| (a.1 - a.2).abs().total_cmp(&(b.1 - b.2).abs()))
    else {
        return Ok(());
    };
    worst.push(WorstCase {
        test: "pairs".into(),
        error: (raw - known).abs(),
        note: format!("line {}: {id} is {known:.2} and was read as {raw:.2}", pair.line),
        pictures: vec![
            ("reference".into(), preview(reference, PAGE_SIDE)?),
            ("compared".into(), preview(other, PAGE_SIDE)?),
        ],
    });
    // Only a few are shown; the rest need not stay in memory.
    if worst.len() > 4 * WORST {
        worst.sort_by(|a, b| b.error.total_cmp(&a.error));
        worst.truncate(WORST);
    }
    Ok(())
}

fn load(root: &Path, path: &Path) -> Result<Picture, EvalError> {
    let path = root.join(path);
    let limits = Limits::default();
    match regular::read(&path, limits.max_bytes) {
        Ok(bytes) => decode(&bytes, &limits).map_err(|source| EvalError::NoPicture { path, source }),
        Err(source) => Err(EvalError::File { path, source }),
    }
}
