//! The naive protocol: one JSON document with all axes, decoded token by token.
//!
//! It is what one would write first, kept so that it can be measured beside the branches
//! (`eval` does): the scores are printed, not read, and each depends on all before it.

use serde::Deserialize;
use serde_json::Value;

use judge::engine::{Answer, Branch, Cost, EngineError, Want};
use judge::protocol::Order;
use judge::rubric::Rubric;
use judge::{Call, Judge, JudgeError, Pair};

/// Tokens that one axis of the document may take.
const AXIS_TOKENS: u32 = 64;
/// Most characters of a value in the document.
const VALUE_CHARACTERS: usize = 32;

/// What the document says of one axis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry {
    /// What the reference shows.
    #[serde(rename = "ref")]
    pub reference: String,
    /// What the other picture shows.
    #[serde(rename = "gen")]
    pub generated: String,
    /// How alike, 0 to 1.
    pub score: f64,
}

/// What the naive protocol printed of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    /// In each of [`Order::BOTH`], an entry an axis where it could be read.
    pub entries: [Vec<Option<Entry>>; 2],
    /// What it cost.
    pub cost: Cost,
}

/// Asks for the document, in both orders.
///
/// # Errors
/// [`JudgeError`].
pub async fn documents(judge: &Judge, pair: Pair<'_>, call: Call<'_>) -> Result<Documents, JudgeError> {
    let rubric = call.rubric;
    let (answers, cost) = judge.asked(pair, |order| vec![branch(rubric, order)], call).await?;
    let mut entries: [Vec<Option<Entry>>; 2] = Default::default();
    for (answers, entries) in answers.iter().zip(&mut entries) {
        match &answers[..] {
            [Answer::Text { text, .. }] => *entries = parse(rubric, text),
            _ => return Err(EngineError::wrong_kind().into()),
        }
    }
    Ok(Documents { entries, cost })
}

/// The question, put behind both pictures.
#[must_use]
pub fn branch(rubric: &Rubric, order: Order) -> Branch {
    let (reference, other) = order.labels();
    Branch {
        lead: String::new(),
        text: format!(
            "{reference} is the reference. Compare {other} with it as JSON, every axis with ref, gen and score from 0.0 to 1.0."
        ),
        want: Want::Constrained {
            grammar: grammar(rubric),
            max_tokens: u32::try_from(rubric.axes.len())
                .unwrap_or(u32::MAX)
                .saturating_mul(AXIS_TOKENS),
        },
    }
}

/// The document of known entries, in the one form that [`grammar`] allows.
#[must_use]
pub fn document(rubric: &Rubric, entries: &[Entry]) -> String {
    let axes: Vec<String> = rubric
        .axes
        .iter()
        .zip(entries)
        .map(|(axis, entry)| {
            let text = |words: &str| Value::from(words).to_string();
            format!(
                "\"{}\":{{\"ref\":{},\"gen\":{},\"score\":{:.1}}}",
                axis.id,
                text(&entry.reference),
                text(&entry.generated),
                entry.score
            )
        })
        .collect();
    format!("{{{}}}", axes.join(","))
}

/// A grammar (GBNF) that allows the document and nothing else: every axis once, in order.
#[must_use]
pub fn grammar(rubric: &Rubric) -> String {
    let axes: Vec<String> = rubric
        .axes
        .iter()
        .map(|axis| {
            format!(
                r#""\"{}\":{{\"ref\":" text ",\"gen\":" text ",\"score\":" score "}}""#,
                axis.id
            )
        })
        .collect();
    format!(
        "root ::= \"{{\" {} \"}}\"\n\
         text ::= \"\\\"\" [^\"\\\\\\x00-\\x1f]{{0,{VALUE_CHARACTERS}}} \"\\\"\"\n\
         score ::= \"0.\" [0-9] | \"1.0\"\n",
        axes.join(" \",\" ")
    )
}

/// Reads a document: an entry an axis, in the rubric's order; nothing for an axis that is missing
/// or whose score lies outside 0 to 1 (the model ran out of tokens, or of sense).
#[must_use]
pub fn parse(rubric: &Rubric, text: &str) -> Vec<Option<Entry>> {
    let whole: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    rubric
        .axes
        .iter()
        .map(|axis| {
            let entry: Entry = serde_json::from_value(whole.get(axis.id.as_str())?.clone()).ok()?;
            (0.0..=1.0).contains(&entry.score).then_some(entry)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::rubric::RubricSource;

    fn rubric() -> Rubric {
        let text = "id = \"r\"\ntitle = \"t\"\n[[axis]]\nid = \"hue\"\ndefinition = \"the hue\"\n\
                    [[axis]]\nid = \"size\"\ndefinition = \"the size\"\n";
        let mut nothing = |_: judge::rubric::Extends<'_>| unreachable!("it extends nothing");
        Rubric::load(RubricSource::Text { text, origin: "test" }, &mut nothing).unwrap()
    }

    fn entry(reference: &str, generated: &str, score: f64) -> Entry {
        Entry {
            reference: reference.into(),
            generated: generated.into(),
            score,
        }
    }

    #[test]
    fn a_document_reads_back_as_it_was_written() {
        let entries = [entry("red", "a \"dark\" blue", 0.3), entry("large", "large", 1.0)];
        let text = document(&rubric(), &entries);
        assert_eq!(
            text,
            r#"{"hue":{"ref":"red","gen":"a \"dark\" blue","score":0.3},"size":{"ref":"large","gen":"large","score":1.0}}"#
        );
        assert_eq!(parse(&rubric(), &text), entries.map(Some));
    }

    #[test]
    fn what_is_missing_or_out_of_range_is_no_entry() {
        let cut = r#"{"hue":{"ref":"red","gen":"blue","score":0.3},"size":{"ref":"la"#;
        assert_eq!(parse(&rubric(), cut), [None, None]);
        let wrong = r#"{"hue":{"ref":"red","gen":"blue","score":7},"size":{"ref":"a","gen":"b","score":0.5}}"#;
        assert_eq!(parse(&rubric(), wrong), [None, Some(entry("a", "b", 0.5))]);
    }
}
