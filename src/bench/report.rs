//! What was measured.

use std::time::Duration;

use serde::Serialize;

use super::Lap;
use judge::engine::{Cost, EngineInfo};

/// How the judge answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// A branch an axis, a digit read from the probabilities.
    Digit,
    /// One printed JSON document with all axes.
    Json,
}

impl Protocol {
    /// The word by which it is chosen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Digit => "digit",
            Self::Json => "json",
        }
    }
}

/// What was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing: neither picture was seen.
    Cold,
    /// The reference.
    Warm,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// Least, middle and most of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of at least one number.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            min: *sorted.first()?,
            median: *sorted.get((sorted.len() - 1) / 2)?,
            max: *sorted.last()?,
        })
    }
}

/// The model that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// `general.name`, or the architecture.
    pub name: String,
    /// Parameters of the language model.
    pub parameters: u64,
    /// Bytes of its tensors.
    pub bytes: u64,
    /// The device that runs it, and of a processor its instruction sets in use.
    pub backend: String,
    /// llama.cpp's version.
    pub engine: String,
    /// Threads, where they were chosen.
    pub threads: Option<u32>,
    /// Seconds to load it.
    pub load_s: f64,
}

impl Model {
    pub(super) fn of(info: &EngineInfo, threads: Option<u32>, load: Duration) -> Self {
        Self {
            name: info.name.clone().unwrap_or_else(|| info.architecture.clone()),
            parameters: info.parameters,
            bytes: info.bytes,
            backend: format!("{} {}", info.backend, info.instructions).trim_end().to_owned(),
            engine: info.engine.clone(),
            threads,
            load_s: load.as_secs_f64(),
        }
    }
}

/// One judgement's timings, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// How it was asked.
    pub protocol: Protocol,
    /// What was known before.
    pub state: State,
    /// Most tokens a picture.
    pub image_tokens: u32,
    /// Axes.
    pub axes: usize,
    /// Seconds of the whole judgement.
    pub seconds: Spread,
    /// Stages and tokens of the round with the median time.
    pub cost: Cost,
    /// Rounds.
    pub rounds: usize,
}

impl Row {
    pub(super) fn of(protocol: Protocol, state: State, image_tokens: u32, axes: usize, laps: &[Lap]) -> Option<Self> {
        let times: Vec<f64> = laps.iter().map(|lap| lap.seconds).collect();
        let seconds = Spread::of(&times)?;
        let middle = laps.iter().find(|lap| lap.seconds == seconds.median)?;
        Some(Self {
            protocol,
            state,
            image_tokens,
            axes,
            seconds,
            cost: middle.cost,
            rounds: laps.len(),
        })
    }
}

/// All measurements of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timings {
    /// The model.
    pub model: Model,
    /// A row for every protocol, state, budget and number of axes.
    pub rows: Vec<Row>,
}

/// What the judge is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// Itself with one thread.
    OneThread,
    /// Itself with threads that wait as the library that runs them makes them.
    LibraryWaiting,
}

impl Against {
    /// A few words for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneThread => "one thread",
            Self::LibraryWaiting => "long waits awake",
        }
    }
}

/// The judge against itself set up otherwise, cold judgements in turn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Race {
    /// Most tokens a picture.
    pub image_tokens: u32,
    /// Axes.
    pub axes: usize,
    /// Busy loops beside it.
    pub busy: usize,
    /// The other.
    pub against: Against,
    /// Seconds of a judgement.
    pub seconds: Spread,
    /// Seconds of the other.
    pub their_seconds: Spread,
    /// The former by the latter, within a round.
    pub ratio: Spread,
    /// Rounds.
    pub rounds: usize,
}

/// All comparisons of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Races {
    /// The model.
    pub model: Model,
    /// The machine's cores, as many as threads are used where nothing else is said.
    pub cores: usize,
    /// Three rows for every budget and number of axes.
    pub rows: Vec<Race>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_the_numbers() {
        let spread = Spread::of(&[3.0, 1.0, 9.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 9.0));
        assert_eq!(Spread::of(&[]), None);
    }
}
