//! The agent's part in the demo: a script that knows the tools' results and nothing else.
//!
//! It begins with a vague prompt. After each iteration it asks for advice, takes the worst axis and words it as the reference shows
//! it; where that was said already it says it once more, then in other words. It goes on from the best iteration, whatever it
//! did last.

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
const FIRST: [&str; 3] = ["subject", "colour", "background"];
/// The first prompt says colours as a person would who has not looked closely.
const VAGUE: [(&str, &[&str]); 2] = [
    ("warm", &["red", "orange", "yellow", "pink"]),
    ("cool", &["green", "cyan", "blue", "purple"]),
];
/// What an axis may show, to try in turn where the reference's own word does not help.
const OTHER_WORDS: [(&str, &[&str]); 6] = [
    (
        "colour",
        &["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"],
    ),
    (
        "background",
        &["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"],
    ),
    ("size", &["small", "medium", "large", "huge"]),
    ("count", &["one", "two", "three", "four"]),
    ("pattern", &["solid", "stripes", "dots", "checks"]),
    ("texture", &["smooth", "grain", "lines", "grid"]),
];
/// Axes that one iteration words anew.
const AT_ONCE: usize = 2;
/// From here on an axis is left alone.
const GOOD: f64 = 0.8;

/// How an axis is said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wording {
    words: String,
    /// How often it is said; image models hear better what is said again.
    times: usize,
}

/// What a prompt says, by axis.
type Prompt = BTreeMap<String, Wording>;

/// What the agent knows.
pub struct Agent {
    /// What the reference shows.
    target: BTreeMap<String, String>,
    /// What each iteration's prompt said.
    said: BTreeMap<u64, Prompt>,
    /// What was tried on an axis, kept or not.
    tried: BTreeMap<String, Vec<Wording>>,
    next: Prompt,
}

impl Agent {
    /// Reads the table that `judge_pair` makes of a reference alone, and words a first prompt.
    pub fn new(target: &Value) -> Self {
        let target: BTreeMap<String, String> = target
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(axis, words)| Some((axis.clone(), words.as_str()?.to_owned())))
            .collect();
        let mut first: Vec<&str> = FIRST.into_iter().filter(|axis| target.contains_key(*axis)).collect();
        if first.len() < FIRST.len() {
            // Another rubric.
            first = target.keys().take(FIRST.len() + 1).map(String::as_str).collect();
        }
        let vague = |words: &str| {
            let found = VAGUE.iter().find(|(_, colours)| colours.contains(&words));
            found.map_or_else(|| words.to_owned(), |(vague, _)| (*vague).to_owned())
        };
        let next = first
            .into_iter()
            .map(|axis| {
                let wording = Wording {
                    words: vague(&target[axis]),
                    times: 1,
                };
                (axis.to_owned(), wording)
            })
            .collect();
        Self {
            target,
            said: BTreeMap::new(),
            tried: BTreeMap::new(),
            next,
        }
    }

    /// The prompt of the next iteration.
    pub fn prompt(&self) -> String {
        written(&self.next)
    }

    /// The next prompt has become this iteration.
    pub fn made(&mut self, iteration: u64) {
        self.said.insert(iteration, self.next.clone());
    }

    /// Words one or two axes of `parent` anew, the advised one first; gives what it did, in words. Nothing when it has no
    /// idea left.
    pub fn correct(&mut self, parent: u64, advised: Option<&str>, scores: &BTreeMap<String, f64>) -> Option<String> {
        let mut worst: Vec<(&String, f64)> = scores.iter().map(|(axis, score)| (axis, *score)).collect();
        worst.retain(|(_, score)| *score < GOOD);
        worst.sort_by(|a, b| a.1.total_cmp(&b.1));
        let order = advised.map(str::to_owned).into_iter().chain(
            worst
                .into_iter()
                .map(|(axis, _)| axis.clone())
                .filter(|axis| Some(axis.as_str()) != advised),
        );
        let mut prompt = self.said.get(&parent).cloned().unwrap_or_default();
        let mut notes: Vec<String> = Vec::new();
        for axis in order.collect::<Vec<_>>() {
            if notes.len() == AT_ONCE {
                break;
            }
            let Some(wording) = self.idea(&axis, prompt.get(&axis)) else {
                continue;
            };
            notes.push(match wording.times {
                1 => format!("{axis}: {}", wording.words),
                times => format!("{axis} said {times} times: {}", wording.words),
            });
            self.tried.entry(axis.clone()).or_default().push(wording.clone());
            prompt.insert(axis, wording);
        }
        self.next = prompt;
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    /// The first wording of an axis that was not tried: as the reference shows it, the same said again, other words.
    fn idea(&self, axis: &str, now: Option<&Wording>) -> Option<Wording> {
        let wanted = self.target.get(axis)?;
        let others = OTHER_WORDS
            .iter()
            .find(|(of, _)| *of == axis)
            .map_or(&[][..], |(_, words)| *words);
        let again = [1, 2, 3].map(|times| (wanted.as_str(), times));
        let others = others.iter().filter(|word| *word != wanted).map(|word| (*word, 2));
        again
            .into_iter()
            .chain(others)
            .map(|(words, times)| Wording {
                words: words.to_owned(),
                times,
            })
            .find(|wording| Some(wording) != now && !self.tried.get(axis).is_some_and(|tried| tried.contains(wording)))
    }
}

/// A prompt in words: everything once, and what has to be said again after it.
fn written(prompt: &Prompt) -> String {
    let most = prompt.values().map(|wording| wording.times).max().unwrap_or(1);
    let rounds = (1..=most).map(|round| {
        let part: BTreeMap<&str, &str> = prompt
            .iter()
            .filter(|(_, wording)| wording.times >= round)
            .map(|(axis, wording)| (axis.as_str(), wording.words.as_str()))
            .collect();
        clauses(&part).join(", ")
    });
    rounds.collect::<Vec<_>>().join(", ")
}

fn clauses(said: &BTreeMap<&str, &str>) -> Vec<String> {
    const HIDDEN: &str = "not visible";
    let says = |axis: &str| said.get(axis).copied().filter(|words| *words != HIDDEN);
    let mut figure: Vec<String> = Vec::new();
    for axis in FIGURE {
        match (axis, says(axis)) {
            ("subject", None) if !figure.is_empty() => figure.push("figure".into()),
            ("position", Some(place)) => {
                if figure.is_empty() {
                    figure.push("figure".into());
                }
                figure.push(format!("at the {place}"));
            }
            (_, Some(words)) => figure.push(words.to_owned()),
            (_, None) => {}
        }
    }
    // "figure" once, wherever it came from.
    figure.dedup();
    let mut clauses: Vec<String> = Vec::new();
    if !figure.is_empty() {
        clauses.push(format!("a {}", figure.join(" ")));
    }
    for (axis, how) in CLAUSES {
        clauses.extend(says(axis).map(|words| how.replace("{}", words).replace("one balls", "one ball")));
    }
    for (axis, nothing) in [("mark", "no mark"), ("count", "no balls")] {
        clauses.extend((said.get(axis) == Some(&HIDDEN)).then(|| nothing.to_owned()));
    }
    let known = |axis: &str| FIGURE.contains(&axis) || CLAUSES.iter().any(|(known, _)| *known == axis);
    let others = said.keys().filter(|axis| !known(axis));
    clauses.extend(others.filter_map(|axis| says(axis).map(str::to_owned)));
    clauses
}

/// The score of every axis that has one, of a judgement as `queue_generation` shows it.
pub fn scores(judgement: &Value) -> BTreeMap<String, f64> {
    let shown = judgement["axes"].as_array().into_iter().flatten();
    let shown = shown.filter_map(|axis| Some((axis["id"].as_str()?.to_owned(), axis["score"].as_f64()?)));
    let rest = judgement["rest"].as_object().into_iter().flatten();
    let rest = rest.filter_map(|(axis, score)| Some((axis.clone(), score.as_f64()?)));
    shown.chain(rest).collect()
}
