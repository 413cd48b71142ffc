//! The rubric that a session was opened with.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Unreadable, version};
use judge::rubric::{Axis, Rubric};
use types::{AxisId, Group};

const WHAT: &str = "the session's rubric";
const NEWEST: u64 = 1;

/// Versions 0 and 1 have the same fields.
#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    title: String,
    description: String,
    explicit: bool,
    axes: Vec<AxisRow>,
}

#[derive(Serialize, Deserialize)]
struct AxisRow {
    id: AxisId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
    definition: String,
    weight: f64,
}

/// Writes the newest version.
pub fn write(rubric: &Rubric) -> Result<Value, serde_json::Error> {
    let axes = rubric.axes.iter().map(|axis| AxisRow {
        id: axis.id.clone(),
        group: axis.group.clone(),
        definition: axis.definition.clone(),
        weight: axis.weight,
    });
    let row = Row {
        id: rubric.id.clone(),
        title: rubric.title.clone(),
        description: rubric.description.clone(),
        explicit: rubric.explicit,
        axes: axes.collect(),
    };
    let mut written = json!({"v": NEWEST});
    if let (Value::Object(all), Value::Object(fields)) = (&mut written, serde_json::to_value(row)?) {
        all.extend(fields);
    }
    Ok(written)
}

/// Reads any version.
pub fn read(stored: &Value) -> Result<Rubric, Unreadable> {
    version(stored, NEWEST, WHAT)?;
    let row = Row::deserialize(stored).map_err(|error| Unreadable::new(WHAT, error))?;
    let axes = row.axes.into_iter().map(|axis| Axis {
        id: axis.id,
        group: axis.group,
        definition: axis.definition,
        weight: axis.weight,
    });
    Ok(Rubric {
        id: row.id,
        title: row.title,
        description: row.description,
        explicit: row.explicit,
        axes: axes.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_read_and_hashes_as_before() {
        for name in ["default", "scenes", "explicit"] {
            let rubric = Rubric::builtin(name).unwrap();
            let written = write(&rubric).unwrap();
            assert_eq!(written["v"], 1);
            assert_eq!(read(&written).unwrap(), rubric);
            // The first releases wrote the rubric as it was, without a version.
            let old = serde_json::to_value(&rubric).unwrap();
            let read = read(&old).unwrap();
            assert_eq!((&read, read.hash()), (&rubric, rubric.hash()));
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let mut newer = write(&Rubric::builtin("scenes").unwrap()).unwrap();
        newer["v"] = json!(2);
        assert!(read(&newer).unwrap_err().to_string().contains("version 2"));
        for damaged in [json!(null), json!({"v": 1}), json!({"axes": []})] {
            assert!(read(&damaged).is_err(), "{damaged}");
        }
    }
}
