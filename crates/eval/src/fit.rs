//! What suits a judge best on known pairs: the evidence mode, and a monotone map an axis.

use std::collections::BTreeMap;

use scenes::ATTRIBUTES;

use super::asker::Asker;
use super::cases;
use super::report::Rival;
use super::{EvalError, Plan, rivals};
use judge::calibration::{FIT_VERSION, Fit, MonotoneMap};
use judge::protocol::Evidence;

/// The fit on rendered scenes: from the edits and the steps of the tests, of which every axis's
/// true distance is known.
pub(super) async fn on_scenes(plan: &Plan<'_>, asker: &Asker<'_>, rivals: &[Rival]) -> Result<Fit, EvalError> {
    let evidence = best_evidence(rivals).unwrap_or(plan.evidence);
    let mut known: Vec<Vec<(f64, f64)>> = vec![Vec::new(); ATTRIBUTES.len()];
    let edits = cases::edits(plan.seed, plan.cases)
        .into_iter()
        .map(|edit| (edit.base, edit.edited));
    let steps = cases::steps(plan.seed, plan.cases.div_ceil(2));
    let steps = steps.into_iter().flat_map(|case| {
        let base = case.base;
        case.steps.into_iter().map(move |step| (base.clone(), step))
    });
    for (base, other) in edits.chain(steps) {
        let (a, b) = (cases::picture(&base)?, cases::picture(&other)?);
        let raws = asker.pair(&a, &b, evidence).await?.raws();
        for ((known, attribute), raw) in known.iter_mut().zip(ATTRIBUTES).zip(raws) {
            known.push((raw, 1.0 - base.distance(&other, attribute)));
        }
    }
    Ok(Fit {
        version: FIT_VERSION,
        evidence,
        maps: maps(asker, &known),
        cases: known.first().map_or(0, Vec::len),
        seed: plan.seed,
    })
}

/// A map for every axis of which enough is known; `known` holds (raw, true) pairs, one list an axis.
pub(super) fn maps(asker: &Asker<'_>, known: &[Vec<(f64, f64)>]) -> BTreeMap<String, MonotoneMap> {
    let axes = asker.rubric().axes.iter().zip(known);
    axes.filter_map(|(axis, known)| Some((axis.id.to_string(), MonotoneMap::fit(known)?)))
        .collect()
}

/// The evidence mode that most often finds the edited axis.
fn best_evidence(rivals: &[Rival]) -> Option<Evidence> {
    let share = |rival: &Rival| {
        let found = rival.numbers.iter().find(|(name, _)| name == rivals::WORST)?;
        Some(found.1.value)
    };
    let modes = [
        ("evidence none", Evidence::None),
        ("evidence values", Evidence::Values),
        ("evidence difference", Evidence::Difference),
    ];
    modes
        .into_iter()
        .filter_map(|(name, mode)| Some((share(rivals.iter().find(|r| r.name == name)?)?, mode)))
        // Of equals the first, which costs least.
        .rev()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, mode)| mode)
}
