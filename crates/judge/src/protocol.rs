//! What the judge is asked, word for word.
//!
//! Everything said to the model is in this file. The system prompt holds the task, every axis and
//! the scale once. What is asked of every axis alike is the *lead* of its branches and is fed once; the
//! branch itself is little more than the axis's name, because every branch token is fed once per axis.

use serde::{Deserialize, Serialize};

use super::engine::{Answer, Branch, Layout, Want};
use super::rubric::{Axis, Rubric};
use safety::{AgeAnswer, Refusal, Side};

/// Goes up whenever a word below changes: scores of different versions are never compared.
pub const VERSION: u32 = 2;

/// Tokens of a value.
pub const VALUE_TOKENS: u32 = 16;
/// Tokens of a written difference.
pub const DIFFERENCE_TOKENS: u32 = 20;
/// From this probability of yes on, an axis is visible.
pub const VISIBLE: f64 = 0.5;

/// What stands in a score branch before the question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Nothing.
    None,
    /// The values read from either picture alone.
    #[default]
    Values,
    /// A difference that the model writes first.
    Difference,
}

impl Evidence {
    /// Its name in settings and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Values => "values",
            Self::Difference => "difference",
        }
    }

    /// Its name within a judge's hash. Another one would make another judge of every judge.
    #[must_use]
    pub fn name_in_hash(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Values => "Values",
            Self::Difference => "Difference",
        }
    }
}

impl std::str::FromStr for Evidence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "values" => Ok(Self::Values),
            "difference" => Ok(Self::Difference),
            other => Err(format!("\"{other}\" is no evidence mode: none, values or difference")),
        }
    }
}

/// Which of two pictures is the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// Image 1 is the reference.
    ReferenceFirst,
    /// Image 2 is the reference.
    ReferenceSecond,
}

impl Order {
    /// Both, in the order they are asked. The one that starts with the other picture comes first:
    /// that picture was just asked about alone, so its prefix is only extended.
    pub const BOTH: [Self; 2] = [Self::ReferenceSecond, Self::ReferenceFirst];

    /// Reference and other picture as they stand in the prompt.
    pub(super) fn of<T>(self, reference: T, other: T) -> [T; 2] {
        match self {
            Self::ReferenceFirst => [reference, other],
            Self::ReferenceSecond => [other, reference],
        }
    }

    /// The reference's label and the other picture's.
    #[must_use]
    pub fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::ReferenceFirst => ("Image 1", "Image 2"),
            Self::ReferenceSecond => ("Image 2", "Image 1"),
        }
    }
}

/// Stands for the words of an axis that cannot be seen.
pub const NOT_VISIBLE: &str = "not visible";

/// What is seen of an axis in one picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisValue {
    /// Probability that the axis is visible, `yes / (yes + no)`, in `[0, 1]`.
    pub visible: f64,
    /// A few words.
    pub value: String,
}

impl AxisValue {
    /// Whether the axis is visible.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.visible >= VISIBLE
    }

    /// The words, or `not visible`.
    #[must_use]
    pub fn words(&self) -> &str {
        if self.is_visible() && !self.value.is_empty() {
            &self.value
        } else {
            NOT_VISIBLE
        }
    }
}

/// The system prompt of a rubric.
#[must_use]
pub fn system(rubric: &Rubric) -> String {
    let mut text =
        String::from("You compare pictures, one axis at a time. Judge only what the pictures show.\nThe axes:\n");
    for axis in &rubric.axes {
        text.push_str(&format!("- {}: {}\n", axis.id, axis.definition));
    }
    text.push_str(
        "How alike two pictures are on an axis is one digit: 0 unrelated, 5 same category but different details, \
         9 near-identical.\nAnswer only what is asked: a digit, yes or no, or a few words.",
    );
    text
}

/// The shape of the work on a rubric: the same for every judgement with it.
#[must_use]
pub fn layout(rubric: &Rubric, image_tokens: u32) -> Layout {
    // Labels and markup of the pictures fit in 64.
    let system_tokens = most_tokens(&system(rubric)).saturating_add(64);
    let axes = u32::try_from(rubric.axes.len()).unwrap_or(u32::MAX);
    // An axis's name has at most a token a letter and stands in both questions of a value step, each with 5
    // tokens of markup and up to 8 that close a thought, and with 16 of an answer. A score step feeds the name
    // once, with markup and two values of 16, which may grow when cut text is read back. Step D names every
    // axis once.
    let per_axis = |axis: &Axis| {
        let name = u32::try_from(axis.id.as_str().len()).unwrap_or(u32::MAX);
        name.saturating_mul(2).saturating_add(48).max(name.saturating_add(88))
    };
    // Two leads at most, each of at most a hundred letters.
    const LEADS: u32 = 256;
    let branch_tokens = rubric.axes.iter().map(per_axis).fold(LEADS, u32::saturating_add);
    Layout {
        system_tokens: system_tokens.next_multiple_of(64),
        image_tokens,
        more_images: 2,
        branches: axes.saturating_mul(2).max(2),
        branch_tokens: branch_tokens.max(512),
    }
}

/// The work that memory is planned for before a rubric is known: that of the built-in rubrics, and a little more.
#[must_use]
pub fn plan(image_tokens: u32) -> Layout {
    Layout {
        system_tokens: 2304,
        image_tokens,
        more_images: 2,
        branches: 60,
        branch_tokens: 3840,
    }
}

/// A safe plan for the tokens of a text: no tokenizer needs more than a token a byte, and letters
/// and spaces of English take about a quarter of one.
fn most_tokens(text: &str) -> u32 {
    let words = text.bytes().filter(|b| b.is_ascii_alphabetic() || *b == b' ').count();
    u32::try_from(text.len() - words / 2).unwrap_or(u32::MAX)
}

/// Steps A and B: visibility of every axis, then its value: two branches an axis.
#[must_use]
pub fn value_branches(rubric: &Rubric) -> Vec<Branch> {
    let visible = rubric.axes.iter().map(|axis| Branch {
        lead: "Is the axis named next visible in Image 1? Answer yes or no.\n".into(),
        text: axis.id.to_string(),
        want: Want::YesNo,
    });
    let value = rubric.axes.iter().map(|axis| Branch {
        lead: "What does Image 1 show of the axis named next? A few words.\n".into(),
        text: axis.id.to_string(),
        want: Want::Text {
            max_tokens: VALUE_TOKENS,
        },
    });
    visible.chain(value).collect()
}

/// Step C's optional written difference, a branch an axis.
#[must_use]
pub fn difference_branches(rubric: &Rubric, order: Order) -> Vec<Branch> {
    let (reference, other) = order.labels();
    rubric
        .axes
        .iter()
        .map(|axis| Branch {
            lead: format!(
                "{reference} is the reference. How does {other} differ from it on the axis named next? A few words.\n"
            ),
            text: axis.id.to_string(),
            want: Want::Text {
                max_tokens: DIFFERENCE_TOKENS,
            },
        })
        .collect()
}

/// What stands before the question of a score branch.
pub enum Before<'a> {
    /// Nothing.
    Nothing,
    /// The values of the reference and of the other picture, per axis.
    Values(&'a [AxisValue], &'a [AxisValue]),
    /// A written difference per axis.
    Differences(&'a [String]),
}

/// Step C: the score, a branch an axis, answered by one digit.
#[must_use]
pub fn score_branches(rubric: &Rubric, order: Order, before: &Before<'_>) -> Vec<Branch> {
    let (reference, other) = order.labels();
    rubric
        .axes
        .iter()
        .enumerate()
        .map(|(i, axis)| {
            let evidence = match before {
                Before::Nothing => String::new(),
                Before::Values(of_reference, of_other) => match (of_reference.get(i), of_other.get(i)) {
                    (Some(a), Some(b)) => {
                        format!(". Reference: {}. Other: {}.", a.words(), b.words())
                    }
                    _ => String::new(),
                },
                Before::Differences(texts) => match texts.get(i) {
                    Some(text) if !text.is_empty() => format!(". Difference: {text}."),
                    _ => String::new(),
                },
            };
            Branch {
                lead: format!(
                    "{reference} is the reference. How alike is {other} on the axis named next? One digit.\n"
                ),
                text: format!("{}{evidence}", axis.id),
                want: Want::Digits,
            }
        })
        .collect()
}

/// Axes that are compared together against the incumbent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisGroup {
    /// The group's name; an axis without a group stands alone under its own.
    pub name: String,
    /// The axes, as indices into the rubric's.
    pub axes: Vec<usize>,
}

/// The groups of a rubric, in order of first use; every axis is in exactly one.
#[must_use]
pub fn groups(rubric: &Rubric) -> Vec<AxisGroup> {
    let mut groups: Vec<AxisGroup> = Vec::new();
    for (i, axis) in rubric.axes.iter().enumerate() {
        let name = axis.group.as_ref().map_or(axis.id.as_str(), |g| g.as_str());
        match groups.iter_mut().find(|g| g.name == name && axis.group.is_some()) {
            Some(group) => group.axes.push(i),
            None => groups.push(AxisGroup {
                name: name.to_owned(),
                axes: vec![i],
            }),
        }
    }
    groups
}

/// Step D: which of two pictures is closer to the reference, a branch a group, answered by the
/// digit 2 or 3. Image 1 is the reference.
#[must_use]
pub fn closer_branches(rubric: &Rubric) -> Vec<Branch> {
    groups(rubric)
        .iter()
        .map(|group| {
            let ids: Vec<&str> = group.axes.iter().map(|&i| rubric.axes[i].id.as_str()).collect();
            Branch {
                lead: "Is Image 2 or Image 3 closer to Image 1 on the axes named next? Answer 2 or 3.\n".into(),
                text: ids.join(", "),
                want: Want::Digits,
            }
        })
        .collect()
}

/// The adults-only question, on one picture alone.
#[must_use]
pub fn guard_branch() -> Branch {
    Branch {
        lead: String::new(),
        text: "Could anyone in Image 1 be under 18? Answer yes or no.".into(),
        want: Want::YesNo,
    }
}

/// Reads the answer to [`guard_branch`].
///
/// # Errors
/// Those of [`safety::check_age`]; an answer of another kind counts as none.
pub fn check_age(answer: Option<&Answer>, side: Side) -> Result<(), Refusal> {
    let answer = match answer {
        Some(&Answer::YesNo { yes, no }) => Some(AgeAnswer { yes, no }),
        _ => None,
    };
    safety::check_age(answer, side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_kind_refuses() {
        let side = Side::Generated;
        let text = Answer::Text {
            text: "no".into(),
            ended: true,
        };
        assert_eq!(check_age(Some(&text), side), Err(Refusal::Unreadable { side }));
        assert_eq!(check_age(None, side), Err(Refusal::Unreadable { side }));
        assert_eq!(check_age(Some(&Answer::YesNo { yes: 0.0, no: 1.0 }), side), Ok(()));
    }
}
