//! What a decision rests on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Unreadable, version};
use crate::session::decided::Detail;
use crate::session::stats::Comparison;

const WHAT: &str = "what a decision rests on";
const NEWEST: u64 = 1;

/// Versions 0 and 1 have the same fields.
#[derive(Serialize, Deserialize)]
struct Row {
    comparison: ComparisonRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    moved: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fell: BTreeMap<String, (u32, f64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    needs: BTreeMap<u32, Vec<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best_by_another: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct ComparisonRow {
    seeds: Vec<u64>,
    overall: Vec<f64>,
    axes: BTreeMap<String, Vec<f64>>,
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
        fell: detail.fell,
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
        fell: row.fell,
        needs: row.needs,
        best_by_another: row.best_by_another,
    })
}
