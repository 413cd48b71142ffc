//! What a decision rests on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Unreadable, version};
use calibration::decided::{Decided, Detail};
use calibration::decision_log::DecisionLog;
use calibration::stats::{Comparison, Fall};
use history::{Decision, Standing};
use types::{AxisId, IterationNo, Seed};

const WHAT: &str = "what a decision rests on";
const NEWEST: u64 = 1;

/// Versions 0 and 1 have the same fields.
#[derive(Serialize, Deserialize)]
struct Row {
    comparison: ComparisonRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    moved: BTreeMap<AxisId, f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fell: BTreeMap<AxisId, (IterationNo, f64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    needs: BTreeMap<IterationNo, Vec<Seed>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best_by_another: Option<IterationNo>,
}

#[derive(Serialize, Deserialize)]
struct ComparisonRow {
    seeds: Vec<Seed>,
    overall: Vec<f64>,
    axes: BTreeMap<AxisId, Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_odds: Option<f64>,
}

/// Writes the newest version.
pub fn write(detail: &Detail) -> Result<Value, serde_json::Error> {
    let detail = detail.clone();
    let row = Row {
        comparison: ComparisonRow {
            seeds: detail.comparison.seeds,
            overall: detail.comparison.overall,
            axes: detail.comparison.axes,
            log_odds: detail.comparison.log_odds,
        },
        probability: detail.probability,
        moved: detail.moved,
        fell: detail
            .fell
            .into_iter()
            .map(|(axis, fall)| (axis, (fall.since, fall.by)))
            .collect(),
        needs: detail.needs,
        best_by_another: detail.best_by_another,
    };
    let mut written = json!({"v": NEWEST});
    if let (Value::Object(all), Value::Object(fields)) = (&mut written, serde_json::to_value(row)?) {
        all.extend(fields);
    }
    Ok(written)
}

/// Reads any version.
pub fn read(stored: &Value) -> Result<Detail, Unreadable> {
    version(stored, NEWEST, WHAT)?;
    let row = Row::deserialize(stored).map_err(|error| Unreadable::new(WHAT, error))?;
    let comparison = row.comparison;
    let seeds = comparison.seeds.len();
    if comparison.overall.len() != seeds || comparison.axes.values().any(|deltas| deltas.len() != seeds) {
        return Err(Unreadable::new(WHAT, "its differences are not one a seed"));
    }
    Ok(Detail {
        comparison: Comparison {
            seeds: comparison.seeds,
            overall: comparison.overall,
            axes: comparison.axes,
            log_odds: comparison.log_odds,
        },
        probability: row.probability,
        moved: row.moved,
        fell: row
            .fell
            .into_iter()
            .map(|(axis, (since, by))| (axis, Fall { since, by }))
            .collect(),
        needs: row.needs,
        best_by_another: row.best_by_another,
    })
}

/// Reads a recorded decision.
pub fn decided(decision: &Decision) -> Result<Decided, Unreadable> {
    let content = &decision.content;
    Ok(Decided {
        iteration: content.iteration,
        against: content.against,
        kind: content.kind,
        detail: read(&content.detail)?,
        awaits_direct_comparison: false,
    })
}

/// The decisions so far, from what is recorded, of which the newest `limit` were read.
pub fn log_of(standing: &Standing, limit: u32) -> DecisionLog {
    let decisions = standing
        .decisions
        .iter()
        .map(|decision| (decision.id, decided(decision)));
    DecisionLog::of(decisions, standing.took_over.clone(), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_read_back_as_it_was_written_and_others_are_an_error() {
        let axis = |id: &str| AxisId::new(id).unwrap();
        let no = |n| IterationNo::new(n).unwrap();
        let fall = Fall { since: no(4), by: 0.3 };
        let detail = Detail {
            comparison: Comparison {
                seeds: vec![Seed(u64::MAX)],
                overall: vec![0.1],
                axes: BTreeMap::from([(axis("hair"), vec![0.25])]),
                log_odds: Some(1.5),
            },
            probability: Some(0.9),
            moved: BTreeMap::from([(axis("hair"), 0.25)]),
            fell: BTreeMap::from([(axis("pose"), fall)]),
            needs: BTreeMap::from([(no(3), vec![Seed(u64::MAX)])]),
            best_by_another: Some(no(6)),
        };
        let written = write(&detail).unwrap();
        assert_eq!(written["v"], 1);
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(
            text,
            "{\"v\":1,\"comparison\":{\"seeds\":[18446744073709551615],\"overall\":[0.1],\"axes\":{\"hair\":[0.25]},\"log_odds\":1.5},\
             \"probability\":0.9,\"moved\":{\"hair\":0.25},\"fell\":{\"pose\":[4,0.3]},\
             \"needs\":{\"3\":[18446744073709551615]},\"best_by_another\":6}"
        );
        let read = |text: &str| super::read(&serde_json::from_str(text).unwrap());
        assert_eq!(read(&text).unwrap(), detail);
        // The first releases wrote no version.
        assert_eq!(read(&text.replace("\"v\":1,", "")).unwrap(), detail);
        for damaged in [
            "{\"comparison\": 1}",
            "{}",
            "[]",
            &text.replace("\"v\":1", "\"v\":2"),
            &text.replace("[0.1]", "[]"),
        ] {
            assert!(read(damaged).is_err(), "{damaged}");
        }
    }
}
