//! What a judge keeps, as it is written down: rows with a version, apart from the types that the judge works with.
//!
//! Version 1 is an object with `"v": 1`. Before there were versions, values and scales were bare lists and the self-check a
//! bare object; those are still read. What cannot be read is an error and never taken for nothing: it may have been written by hand.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::calibration::Fit;
use super::protocol::AxisValue;
use super::score::Scale;
use super::selfcheck::SelfCheck;

/// The version that is written.
const VERSION: u64 = 1;

/// A stored value that this program cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} that this history keeps cannot be read: {reason}")]
pub struct Unreadable {
    /// What it should be.
    pub what: &'static str,
    /// Why not.
    pub reason: String,
}

impl Unreadable {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        "Nothing was changed. Use the prompt-calibrator that wrote it (probably a newer one), or another --data-dir."
            .to_owned()
    }
}

types::hints!(Unreadable);

/// What is kept in a versioned form.
pub trait Stored: Sized {
    /// What it is, in an error.
    const WHAT: &'static str;

    /// Writes the newest version.
    fn to_stored(&self) -> Value;

    /// Reads any version there ever was.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn from_stored(stored: &Value) -> Result<Self, Unreadable>;

    /// That a stored value is no such thing.
    fn unreadable(reason: impl std::fmt::Display) -> Unreadable {
        Unreadable {
            what: Self::WHAT,
            reason: reason.to_string(),
        }
    }
}

/// Takes the payload out of its version: what stands under `field` in version 1, or all of what has none.
fn payload<T: Stored, R: DeserializeOwned>(stored: &Value, field: &str) -> Result<R, Unreadable> {
    let inner = match stored.get("v") {
        None => stored,
        Some(version) if version.as_u64() == Some(VERSION) => &stored[field],
        Some(version) => {
            return Err(T::unreadable(format!(
                "it has version {version}, and {VERSION} is known here"
            )));
        }
    };
    R::deserialize(inner).map_err(T::unreadable)
}

#[derive(Serialize, Deserialize)]
struct ValueRow {
    visible: f64,
    value: String,
}

impl Stored for Vec<AxisValue> {
    const WHAT: &'static str = "what a reference shows";

    fn to_stored(&self) -> Value {
        let rows: Vec<ValueRow> = self
            .iter()
            .map(|axis| ValueRow {
                visible: axis.visible,
                value: axis.value.clone(),
            })
            .collect();
        json!({"v": VERSION, "axes": rows})
    }

    fn from_stored(stored: &Value) -> Result<Self, Unreadable> {
        let rows: Vec<ValueRow> = payload::<Self, _>(stored, "axes")?;
        Ok(rows
            .into_iter()
            .map(|row| AxisValue {
                visible: row.visible,
                value: row.value,
            })
            .collect())
    }
}

#[derive(Serialize, Deserialize)]
struct ScaleRow {
    ceiling: f64,
    floor: f64,
}

impl Stored for Vec<Scale> {
    const WHAT: &'static str = "the scale of a reference";

    fn to_stored(&self) -> Value {
        let rows: Vec<ScaleRow> = self
            .iter()
            .map(|axis| ScaleRow {
                ceiling: axis.ceiling,
                floor: axis.floor,
            })
            .collect();
        json!({"v": VERSION, "axes": rows})
    }

    fn from_stored(stored: &Value) -> Result<Self, Unreadable> {
        let rows: Vec<ScaleRow> = payload::<Self, _>(stored, "axes")?;
        Ok(rows
            .into_iter()
            .map(|row| Scale {
                ceiling: row.ceiling,
                floor: row.floor,
            })
            .collect())
    }
}

#[derive(Serialize, Deserialize)]
struct SelfCheckRow {
    identical: f64,
    unrelated: f64,
    grey: f64,
    passed: bool,
}

impl Stored for SelfCheck {
    const WHAT: &'static str = "the judge's self-check";

    fn to_stored(&self) -> Value {
        let row = SelfCheckRow {
            identical: self.identical,
            unrelated: self.unrelated,
            grey: self.grey,
            passed: self.passed,
        };
        json!({"v": VERSION, "check": row})
    }

    fn from_stored(stored: &Value) -> Result<Self, Unreadable> {
        let row: SelfCheckRow = payload::<Self, _>(stored, "check")?;
        Ok(Self {
            identical: row.identical,
            unrelated: row.unrelated,
            grey: row.grey,
            passed: row.passed,
        })
    }
}

/// A fit has carried its own version since the first.
impl Stored for Fit {
    const WHAT: &'static str = "the fit of the judge";

    fn to_stored(&self) -> Value {
        json!({
            "version": self.version, "evidence": self.evidence, "maps": self.maps, "cases": self.cases, "seed": self.seed,
        })
    }

    fn from_stored(stored: &Value) -> Result<Self, Unreadable> {
        let fit = Self::deserialize(stored).map_err(Self::unreadable)?;
        match fit.version {
            super::calibration::FIT_VERSION => Ok(fit),
            version => Err(Self::unreadable(format!("it has version {version}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<AxisValue> {
        vec![AxisValue {
            visible: 0.75,
            value: "red".into(),
        }]
    }

    #[test]
    fn every_version_is_read_back() {
        let scale = vec![Scale {
            ceiling: 0.9,
            floor: 0.1,
        }];
        let check = SelfCheck::skipped();
        assert_eq!(Vec::<AxisValue>::from_stored(&values().to_stored()), Ok(values()));
        assert_eq!(Vec::<Scale>::from_stored(&scale.to_stored()), Ok(scale.clone()));
        assert_eq!(SelfCheck::from_stored(&check.to_stored()), Ok(check));
        // As they were written before there were versions.
        let old = json!([{"visible": 0.75, "value": "red"}]);
        assert_eq!(Vec::<AxisValue>::from_stored(&old), Ok(values()));
        assert_eq!(
            Vec::<Scale>::from_stored(&json!([{"ceiling": 0.9, "floor": 0.1}])),
            Ok(scale)
        );
        let old = json!({"identical": 0.0, "unrelated": 0.0, "grey": 0.0, "passed": false});
        assert_eq!(SelfCheck::from_stored(&old), Ok(check));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_why() {
        let newer = json!({"v": 2, "axes": []});
        let error = Vec::<AxisValue>::from_stored(&newer).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
        for damaged in [
            json!(null),
            json!([]),
            json!({"v": 1}),
            json!({"v": "1", "check": {}}),
            json!([1]),
        ] {
            assert!(SelfCheck::from_stored(&damaged).is_err(), "{damaged}");
        }
        assert!(Vec::<Scale>::from_stored(&json!({"v": 1, "axes": [{"ceiling": 1.0}]})).is_err());
        assert!(
            Fit::from_stored(&json!({"version": 9, "evidence": "none", "maps": {}, "cases": 1, "seed": 1})).is_err()
        );
    }
}
