//! Adults only: what is refused before anything is generated or scored.
//!
//! The guard applies when the rubric is flagged explicit, or when a prompt or a value names
//! sexual content. It fails closed: an answer that cannot be read refuses as well.

use serde::{Deserialize, Serialize};

use crate::filter::{describes_minor_strict, explicit_terms};

/// Above this probability of "yes, someone could be under 18", nothing is scored.
const MAX_MINOR: f64 = 0.05;
/// Below this probability of yes and no together, the answer cannot be read.
const MIN_MASS: f64 = 0.5;

/// Which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The reference.
    Reference,
    /// The generated picture.
    Generated,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reference => "reference",
            Self::Generated => "generated picture",
        })
    }
}

/// Why the guard refused. Nothing was generated or scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The prompt (or a knob's text) describes someone under 18 or childlike.
    #[error("refused: the text describes someone under 18 or childlike (\"{term}\"). Explicit work is for adults only")]
    TextDescribesMinor {
        /// What matched.
        term: String,
    },
    /// Someone in the picture could be under 18.
    #[error("refused: it cannot be ruled out that someone in the {side} is under 18. Nothing was scored")]
    MaybeUnder18 {
        /// Which picture.
        side: Side,
    },
    /// The judge's answer to the age question could not be read.
    #[error("refused: the judge gave no readable answer to the age question on the {side}. Nothing was scored")]
    Unreadable {
        /// Which picture.
        side: Side,
    },
    /// The judge has not passed its self-check, so its answer to the age question means nothing.
    #[error("refused: this judge has not passed its self-check, so it cannot guard explicit work. Nothing was scored")]
    JudgeUntrusted,
}

impl Refusal {
    /// Which picture it is about; nothing where it is about neither, or both.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        match self {
            Self::MaybeUnder18 { side } | Self::Unreadable { side } => Some(*side),
            Self::TextDescribesMinor { .. } | Self::JudgeUntrusted => None,
        }
    }

    /// What to do next, for an agent.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::TextDescribesMinor { .. } => {
                "Describe adults only, unmistakably; the call is not repeated with other words for the same thing.".into()
            }
            Self::MaybeUnder18 { .. } => "Use pictures of people who are unmistakably adults.".into(),
            Self::Unreadable { .. } | Self::JudgeUntrusted => {
                "Configure a trained Qwen3-VL model that answers such questions (`prompt-calibrator doctor` shows the self-check).".into()
            }
        }
    }
}

types::hints!(Refusal);

/// Whether explicit work is at hand, so that the guard applies.
#[must_use]
pub fn applies<'a>(rubric_is_explicit: bool, texts: impl IntoIterator<Item = &'a str>) -> bool {
    rubric_is_explicit || texts.into_iter().any(explicit_terms)
}

/// Refuses text that describes anyone under 18 or childlike, or may do so. The reading is the strict
/// one, so this is for explicit work only ([`applies`]).
///
/// # Errors
/// [`Refusal::TextDescribesMinor`].
pub fn check_text(text: &str) -> Result<(), Refusal> {
    match describes_minor_strict(text) {
        Some(term) => Err(Refusal::TextDescribesMinor { term: term.to_string() }),
        None => Ok(()),
    }
}

/// What a judge answers to the question whether anyone in a picture could be under 18.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgeAnswer {
    /// The probability of "yes".
    pub yes: f64,
    /// The probability of "no".
    pub no: f64,
}

/// Reads the answer to the age question; none is an answer of another kind.
///
/// # Errors
/// [`Refusal::MaybeUnder18`] where "yes" has more than a probability of 5 %, [`Refusal::Unreadable`] where "yes" and "no"
/// together have less than one of 50 %, or without an answer.
pub fn check_age(answer: Option<AgeAnswer>, side: Side) -> Result<(), Refusal> {
    let Some(AgeAnswer { yes, no }) = answer else {
        return Err(Refusal::Unreadable { side });
    };
    // A value that is no number refuses as well.
    if yes.is_nan() || yes > MAX_MINOR {
        return Err(Refusal::MaybeUnder18 { side });
    }
    let mass = yes + no;
    if mass.is_nan() || mass < MIN_MASS {
        return Err(Refusal::Unreadable { side });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describes_minor;

    fn yes_no(yes: f64, no: f64) -> AgeAnswer {
        AgeAnswer { yes, no }
    }

    #[test]
    fn the_age_question_fails_closed() {
        let side = Side::Generated;
        assert_eq!(check_age(Some(yes_no(0.04, 0.9)), side), Ok(()));
        assert_eq!(
            check_age(Some(yes_no(0.06, 0.9)), side),
            Err(Refusal::MaybeUnder18 { side })
        );
        assert_eq!(
            check_age(Some(yes_no(0.01, 0.4)), side),
            Err(Refusal::Unreadable { side })
        );
        assert_eq!(
            check_age(Some(yes_no(f64::NAN, 0.9)), side),
            Err(Refusal::MaybeUnder18 { side })
        );
        assert_eq!(
            check_age(Some(yes_no(0.0, f64::NAN)), side),
            Err(Refusal::Unreadable { side })
        );
        assert_eq!(check_age(None, side), Err(Refusal::Unreadable { side }));
    }

    #[test]
    fn text_about_minors_is_refused_and_about_adults_is_not() {
        assert!(check_text("portrait of a 15 year old").is_err());
        assert!(check_text("portrait of a 45 year old").is_ok());
        // Only the strict reading refuses these.
        for text in ["nude, petite 13", "(14:1.2) girl", "1girl", "boy"] {
            assert!(describes_minor(text).is_none(), "{text}");
            assert!(check_text(text).is_err(), "{text}");
        }
        assert!(check_text("two nude women, 8k, 85mm f/1.4").is_ok());
    }

    #[test]
    fn the_guard_applies_by_rubric_or_by_words() {
        assert!(applies(true, ["a teapot"]));
        assert!(!applies(false, ["a teapot on a table"]));
    }
}
