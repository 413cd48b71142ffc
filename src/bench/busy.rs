//! How fast the judge is beside other programs: ratios of whole judgements, measured in turn.
//!
//! Seconds say little on a machine that does other things too. So each round judges the same new pictures in every way, one
//! way after the other, and what counts is the ratio within the round.

use std::hint;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::report::{Against, Model, Race, Races, Spread};
use super::{BenchError, Lane, Plan, Protocol, judge, rubric};
use judge::rubric::Rubric;
use judge::{Judge, Pair};
use llama::worker::{Waiting, WorkerConfig};
use types::progress::{Done, Progress};

/// Threads that compute nothing, as fast as they can, until this is dropped.
pub struct BusyLoops {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl BusyLoops {
    /// Starts so many.
    #[must_use]
    pub fn start(count: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let spin = || {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                let mut turns = 0u64;
                while !over.load(Ordering::Relaxed) {
                    turns = hint::black_box(turns.wrapping_add(1));
                }
            })
        };
        let threads = (0..count).map(|_| spin()).collect();
        Self { over, threads }
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The judges that are compared: equal but for their threads.
struct Judges {
    usual: Judge,
    one_thread: Judge,
    library: Judge,
}

impl Judges {
    fn new(plan: &Plan<'_>, image_tokens: u32) -> Self {
        let with = |change: fn(&mut WorkerConfig)| {
            let mut worker = plan.worker.clone();
            change(&mut worker);
            judge(&worker, image_tokens, plan.evidence)
        };
        Self {
            usual: with(|_| {}),
            one_thread: with(|worker| worker.spec.threads = Some(1)),
            library: with(|worker| worker.waiting = Waiting::Library),
        }
    }

    fn all(&self) -> [&Judge; 3] {
        [&self.usual, &self.one_thread, &self.library]
    }

    async fn unload(&self) {
        for judge in self.all() {
            judge.unload().await;
        }
    }
}

/// One comparison: the judge as it is against one of the others, alone or beside busy loops.
struct Track {
    against: Against,
    busy: usize,
    /// Seconds as it is, and of the other.
    times: Vec<(f64, f64)>,
}

/// Measures the judge as it is set up against itself with one thread, alone and beside `busy` loops, and, alone, against threads
/// that wait as libgomp makes them.
///
/// # Errors
/// [`BenchError`].
pub async fn races(plan: &Plan<'_>, busy: usize) -> Result<Races, BenchError> {
    let mut model = None;
    let mut rows = Vec::new();
    let settings = plan.image_tokens.len() * plan.axes.len();
    for (at, &image_tokens) in plan.image_tokens.iter().enumerate() {
        let judges = Judges::new(plan, image_tokens);
        for judge in judges.all() {
            let started = Instant::now();
            let info = judge.load(plan.teller, plan.cancel).await?;
            model.get_or_insert(Model::of(&info, plan.worker.spec.threads, started.elapsed()));
        }
        for (n, &axes) in plan.axes.iter().enumerate() {
            let rubric = rubric(axes)?;
            let done = (at * plan.axes.len() + n) as f64 / settings as f64;
            let tell = |round: usize| {
                let words = format!(
                    "{axes} axes, {image_tokens} tokens a picture, round {round} of {}",
                    plan.rounds
                );
                let part = round as f64 / (plan.rounds + 1) as f64 / settings as f64;
                plan.teller.tell(Progress {
                    done: Done::Fraction(done + part),
                    message: words,
                });
            };
            let tracks = run(plan, &judges, &rubric, busy, tell).await;
            if tracks.is_err() {
                judges.unload().await;
            }
            rows.extend(tracks?.iter().filter_map(|track| track.row(image_tokens, axes)));
        }
        judges.unload().await;
    }
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let model = model.ok_or(BenchError::Nothing)?;
    Ok(Races { model, cores, rows })
}

async fn run(
    plan: &Plan<'_>,
    judges: &Judges,
    rubric: &Rubric,
    busy: usize,
    tell: impl Fn(usize),
) -> Result<Vec<Track>, BenchError> {
    let track = |against, busy| Track {
        against,
        busy,
        times: Vec::new(),
    };
    let mut tracks = vec![
        track(Against::LibraryWaiting, 0),
        track(Against::OneThread, 0),
        track(Against::OneThread, busy),
    ];
    // The first round makes the contexts and is not counted.
    for round in 0..=plan.rounds {
        tell(round);
        for track in &mut tracks {
            let other = match track.against {
                Against::LibraryWaiting => &judges.library,
                Against::OneThread => &judges.one_thread,
            };
            let [reference, generated, _] = plan.pictures.fresh()?;
            let _loops = BusyLoops::start(track.busy);
            let seconds = async |judge| {
                let lane = Lane {
                    judge,
                    rubric,
                    evidence: plan.evidence,
                    cancel: plan.cancel,
                };
                let (lap, _) = lane
                    .lap(
                        Protocol::Digit,
                        Pair {
                            reference: &reference,
                            generated: &generated,
                        },
                        None,
                    )
                    .await?;
                Ok::<_, BenchError>(lap.seconds)
            };
            // In turn the first, so that neither always finds the machine as the other left it.
            let times = if round % 2 == 0 {
                let usual = seconds(&judges.usual).await?;
                (usual, seconds(other).await?)
            } else {
                let theirs = seconds(other).await?;
                (seconds(&judges.usual).await?, theirs)
            };
            if round > 0 {
                track.times.push(times);
            }
        }
    }
    Ok(tracks)
}

impl Track {
    fn row(&self, image_tokens: u32, axes: usize) -> Option<Race> {
        let of = |number: fn(&(f64, f64)) -> f64| Spread::of(&self.times.iter().map(number).collect::<Vec<_>>());
        Some(Race {
            image_tokens,
            axes,
            busy: self.busy,
            against: self.against,
            seconds: of(|(usual, _)| *usual)?,
            their_seconds: of(|(_, theirs)| *theirs)?,
            ratio: of(|(usual, theirs)| usual / theirs)?,
            rounds: self.times.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_loops_end_when_they_are_dropped() {
        let loops = BusyLoops::start(3);
        let over = Arc::clone(&loops.over);
        assert_eq!(Arc::strong_count(&over), 3 + 2);
        drop(loops);
        assert_eq!(Arc::strong_count(&over), 1, "the threads are joined");
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let track = Track {
            against: Against::OneThread,
            busy: 4,
            // The machine was ten times slower in the second round.
            times: vec![(1.0, 2.0), (20.0, 20.0), (3.0, 2.0)],
        };
        let row = track.row(64, 5).unwrap();
        assert_eq!((row.ratio.min, row.ratio.median, row.ratio.max), (0.5, 1.0, 1.5));
        assert_eq!(
            (row.seconds.median, row.their_seconds.median, row.rounds),
            (3.0, 2.0, 3)
        );
    }
}
