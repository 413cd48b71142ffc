//! The agent's part in the demo, as simple as it can be: it begins with a few words, and says more of what scores worst.

use std::collections::BTreeMap;

use serde_json::Value;

/// How an axis of the bundled judge's rubric is said in a prompt, in this order; `{}` stands for what the reference shows.
const CLAUSES: [(&str, &str); 6] = [
    ("pattern", "{} pattern"),
    ("mark", "marked with a {}"),
    ("count", "{} balls along the bottom"),
    ("background", "{} background"),
    ("texture", "{} texture"),
    ("lighting", "light {}"),
];
/// What is said together: "a large red star at the left".
const FIGURE: [&str; 4] = ["size", "colour", "subject", "position"];
/// What the first prompt says; the rest is left to chance.
const FIRST: [&str; 3] = ["subject", "size", "background"];
/// From here on an axis is left alone.
const GOOD: f64 = 0.8;

/// What the agent knows: what the reference shows, and on which axes it has said so.
pub struct Agent {
    target: BTreeMap<String, String>,
    said: Vec<String>,
}

impl Agent {
    /// Reads the table that `judge_pair` makes of a reference alone.
    pub fn new(target: &Value) -> Self {
        let target: BTreeMap<String, String> = target
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(axis, words)| Some((axis.clone(), words.as_str()?.to_owned())))
            .collect();
        let mut said: Vec<String> = FIRST.map(str::to_owned).into();
        said.retain(|axis| target.contains_key(axis));
        if said.len() < FIRST.len() {
            // Another rubric.
            said = target.keys().take(FIRST.len() + 1).cloned().collect();
        }
        Self { target, said }
    }

    /// The prompt as it stands.
    pub fn prompt(&self) -> String {
        let mut figure: Vec<String> = Vec::new();
        for axis in FIGURE {
            match (axis, self.says(axis)) {
                ("subject", None) if !figure.is_empty() => figure.push("figure".into()),
                ("position", Some(place)) => figure.push(format!("at the {place}")),
                (_, Some(words)) => figure.push(words.to_owned()),
                (_, None) => {}
            }
        }
        let mut clauses: Vec<String> = Vec::new();
        if !figure.is_empty() {
            clauses.push(format!("a {}", figure.join(" ")));
        }
        for (axis, how) in CLAUSES {
            clauses.extend(self.says(axis).map(|words| how.replace("{}", words)));
        }
        for (axis, nothing) in [("mark", "no mark"), ("count", "no balls")] {
            let hidden = self.said.iter().any(|said| said == axis) && self.says(axis).is_none();
            clauses.extend(hidden.then(|| nothing.to_owned()));
        }
        let known = |axis: &str| FIGURE.contains(&axis) || CLAUSES.iter().any(|(known, _)| *known == axis);
        for axis in self.said.iter().filter(|axis| !known(axis)) {
            clauses.extend(self.says(axis).map(str::to_owned));
        }
        clauses.join(", ").replace("one balls", "one ball")
    }

    /// What the reference shows on an axis that is said, if it can be seen.
    fn says(&self, axis: &str) -> Option<&str> {
        let words = self
            .target
            .get(axis)
            .filter(|_| self.said.iter().any(|said| said == axis))?;
        (words != "not visible").then_some(words)
    }

    /// Says what the reference shows on the worst axes that the prompt left out, a few at a time; gives these axes, or none
    /// when nothing is left to say.
    pub fn correct(&mut self, scores: &BTreeMap<String, f64>) -> Vec<String> {
        let unsaid = |axis: &String| self.target.contains_key(axis) && !self.said.contains(axis);
        let mut worst: Vec<(&String, f64)> = scores
            .iter()
            .filter(|(axis, score)| **score < GOOD && unsaid(axis))
            .map(|(axis, score)| (axis, *score))
            .collect();
        worst.sort_by(|a, b| a.1.total_cmp(&b.1));
        let at_once = (self.target.len() / 5).max(2);
        let worst: Vec<String> = worst.into_iter().take(at_once).map(|(axis, _)| axis.clone()).collect();
        self.said.extend(worst.iter().cloned());
        worst
    }
}

/// The score of every axis that has one, of a judgement as `queue_generation` shows it.
pub fn scores(judgement: &Value) -> BTreeMap<String, f64> {
    let shown = judgement["axes"].as_array().into_iter().flatten();
    let shown = shown.filter_map(|axis| Some((axis["id"].as_str()?.to_owned(), axis["score"].as_f64()?)));
    let rest = judgement["rest"].as_object().into_iter().flatten();
    let rest = rest.filter_map(|(axis, score)| Some((axis.clone(), score.as_f64()?)));
    shown.chain(rest).collect()
}

/// The axes that moved by a tenth or more, furthest first: `colour 0.02 → 0.97`.
pub fn moved(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> Vec<String> {
    let mut moves: Vec<(&String, f64, f64)> = after
        .iter()
        .filter_map(|(axis, now)| Some((axis, *before.get(axis)?, *now)))
        .filter(|(_, from, to)| (to - from).abs() >= 0.1)
        .collect();
    moves.sort_by(|a, b| (b.2 - b.1).abs().total_cmp(&(a.2 - a.1).abs()));
    let words = moves
        .iter()
        .map(|(axis, from, to)| format!("{axis} {from:.2} → {to:.2}"));
    words.collect()
}
