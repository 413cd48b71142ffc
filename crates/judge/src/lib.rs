//! The judge: observes two pictures and scores them, and nothing else.
//!
//! [`Judge`] runs the protocol of `protocol.rs` on an [`engine::Engine`] and turns the readings
//! into a [`verdict::Verdict`] with the pure rules of `score.rs`. What need not be computed
//! again (the frozen reference values, ceilings and floors, the self-check) is kept in a
//! [`cache::Memory`] that the caller provides.
//!
//! | module | what it does |
//! | --- | --- |
//! | `engine` | `trait Engine`: what is asked of a model, and how it answers |
//! | `rubric` | the axes: parsing, merging, the built-in ones |
//! | `protocol` | every word that is said to the model |
//! | `steps` | the order of the questions |
//! | `score`, `verdict` | from probabilities to raw values, scores and a verdict; pure |
//! | `average` | several seeds as one judgement; pure |
//! | `identity` | the hash under which scores may be compared |
//! | `selfcheck` | does this judge tell alike from unlike? |
//! | `turn` | one judgement at a time |
//! | `cache`, `stored` | what is remembered of a reference, and its stored form with a version |
//! | `calibration`, `fitted` | what `eval --fit` found, and how it is used |
//! | `measure` | readings without scale, for `eval` |

pub mod average;
pub mod bank;
pub mod cache;
pub mod calibration;
pub mod engine;
mod error;
mod fitted;
mod identity;
mod measure;
pub mod protocol;
pub mod rubric;
pub mod score;
mod selfcheck;
mod steps;
mod stored;
mod turn;
pub mod verdict;
mod warnings;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub use error::JudgeError;
pub use identity::Identity;
pub use measure::{Given, Observation};
pub use selfcheck::SelfCheck;
pub use stored::{Stored, Unreadable};
pub use turn::{MAX_WAITING, Turn};

use cache::{Kind, Memory, MemoryKey, ScaleOf};
use engine::{Cost, Engine, EngineError, EngineInfo, KeyedPixels, PixelKey, Pixels, Probabilities};
use fitted::Way;
use imaging::{Picture, Signals, TokenBudget, fit, shape_mismatch};
use protocol::{AxisValue, Evidence};
use rubric::Rubric;
use safety::{Refusal, Side};
use score::Scale;
use steps::{Seen, Steps};
use types::digest::{digest_bytes, hex};
use types::progress::{Meter, Teller};
use types::{AxisId, ImageHash, JudgeHash};
use verdict::{Flag, Observed, Verdict};

/// Scores are read from the ten digits.
const DIGITS: u32 = 10;
/// Pictures that are compared.
const PAIR: u32 = 2;

/// Which part of a judgement each step is. What is remembered is skipped, and progress jumps.
type PartOf = (f64, f64);
const LOADING: PartOf = (0.0, 0.1);
const CHECKING: PartOf = (0.1, 0.4);
const GUARDING: PartOf = (0.4, 0.45);
const READING: PartOf = (0.45, 0.5);
const SCALING: PartOf = (0.5, 0.85);
const COMPARING: PartOf = (0.85, 1.0);

fn part(teller: &Teller, (from, to): PartOf) -> Teller {
    teller.part(from, to)
}

/// A judge: a model, a way of asking, and a memory.
pub struct Judge {
    engine: Arc<dyn Engine>,
    evidence: Option<Evidence>,
    ways: Mutex<HashMap<JudgeHash, Arc<Way>>>,
    memory: Arc<dyn Memory>,
    turn: tokio::sync::Semaphore,
    waiting: AtomicUsize,
    checked: Mutex<HashMap<JudgeHash, SelfCheck>>,
}

/// Two pictures to compare.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// What is aimed at.
    pub reference: &'a Picture,
    /// What was made.
    pub generated: &'a Picture,
}

/// What every call needs beside the pictures.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The axes.
    pub rubric: &'a Rubric,
    /// Whether the adults-only guard applies ([`safety::applies`]).
    pub guarded: bool,
    /// Where progress is told.
    pub teller: &'a Teller,
    /// Cancels the work.
    pub cancel: &'a CancellationToken,
}

/// What a reference shows: the target of a calibration.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// One entry an axis, in the rubric's order.
    pub values: Vec<AxisValue>,
    /// Whether an agent edited them.
    pub edited: bool,
    /// What to know before trusting them.
    pub flags: Vec<Flag>,
    /// The judge's hash.
    pub judge: JudgeHash,
}

impl Judge {
    /// A judge on an engine. Without an evidence mode it uses the one that was fitted for it ([`Judge::keep_fit`]), else
    /// values.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, evidence: impl Into<Option<Evidence>>, memory: Arc<dyn Memory>) -> Self {
        Self {
            engine,
            evidence: evidence.into(),
            ways: Mutex::default(),
            memory,
            turn: tokio::sync::Semaphore::new(1),
            waiting: AtomicUsize::new(0),
            checked: Mutex::default(),
        }
    }

    /// The engine behind the judge.
    #[must_use]
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// Makes the model ready if needed, tells how far it is, and says what it is.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn load(&self, teller: &Teller, cancel: &CancellationToken) -> Result<EngineInfo, JudgeError> {
        Ok(self.engine.load(teller, cancel).await?)
    }

    /// Whether the engine can do what every judgement takes.
    fn able(&self) -> Result<(), JudgeError> {
        let able = self.engine.capabilities();
        if let Probabilities::Likeliest(most) = able.probabilities
            && most < DIGITS
        {
            let lacks =
                format!("it gives the probabilities of {most} tokens, and a score is read from those of ten digits");
            return Err(JudgeError::Incapable(lacks));
        }
        if able.images < PAIR {
            let lacks = "it takes one picture at a time, and two are compared";
            return Err(JudgeError::Incapable(lacks.into()));
        }
        Ok(())
    }

    /// Who judges with this rubric. Loads the model if needed.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn identity(&self, rubric: &Rubric, cancel: &CancellationToken) -> Result<Identity, JudgeError> {
        let engine = self.engine.identity(cancel).await?;
        let tokens = self.engine.image_tokens();
        let hash = rubric.hash();
        let way = self
            .way(&Identity::new(&engine, tokens, hash.clone(), Evidence::None))
            .await?;
        let mut identity = Identity::new(&engine, tokens, hash, way.evidence);
        identity.fit.clone_from(&way.digest);
        Ok(identity)
    }

    /// Compares a pair and scores it, within a turn.
    async fn compare_now(&self, pair: Pair<'_>, call: Call<'_>) -> Result<Verdict, JudgeError> {
        let started = Instant::now();
        let prepared = self.prepare(pair.reference, &call).await?;
        let generated = self.fitted(pair.generated).await?;
        let mut cost = Cost::default();
        self.guard(&prepared, &[&generated], &call, &mut cost).await?;
        let target = self.target_values(&prepared, &call, &mut cost).await?;
        let guarded = call.guarded || says_explicit(&target.values);
        if guarded && !call.guarded {
            self.guard(&prepared, &[&generated], &Call { guarded, ..call }, &mut cost)
                .await?;
        }
        let scale = self.scale(&prepared, &target, &call, &mut cost).await?;

        let asks = 1 + Steps::asks_per_reading(prepared.way.evidence);
        let meter = Meter::new(&part(call.teller, COMPARING), "comparing", asks);
        let mut steps = self.steps(&prepared, &call, &meter);
        let values = steps.values(&generated).await?;
        if !guarded && says_explicit(&values) {
            self.guard(&prepared, &[&generated], &Call { guarded: true, ..call }, &mut cost)
                .await?;
        }
        let readings = steps
            .readings(
                Seen {
                    pixels: &prepared.reference,
                    values: &target.values,
                },
                Seen {
                    pixels: &generated,
                    values: &values,
                },
            )
            .await?;
        cost.add(&steps.cost);

        let scored = verdict::score(&Observed {
            rubric: call.rubric,
            reference: &target.values,
            generated: &values,
            readings: &readings,
            scale: &scale,
            maps: &prepared.way.maps,
        });
        let mut flags = target.flags;
        flags.extend(verdict::shape_flag(shape_mismatch(pair.reference, pair.generated)));
        flags.extend(pair.generated.flags().iter().map(|f| Flag::Generated(*f)));
        if verdict::is_tiny(pair.generated) {
            flags.push(Flag::TinyGenerated);
        }
        flags.extend(verdict::counting_flag(&scored.axes));
        Ok(Verdict {
            overall_score: scored.overall_score,
            overall_ci: scored.overall_ci,
            overall_raw: scored.overall_raw,
            axes: scored.axes,
            signals: signals(pair).await?,
            flags,
            judge: target.judge,
            cost,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// What a reference shows; computed once for a reference and a judge, then frozen. Within a turn.
    async fn target_now(&self, reference: &Picture, call: Call<'_>) -> Result<Target, JudgeError> {
        let prepared = self.prepare(reference, &call).await?;
        let mut cost = Cost::default();
        self.guard(&prepared, &[], &call, &mut cost).await?;
        let target = self.target_values(&prepared, &call, &mut cost).await?;
        if !call.guarded && says_explicit(&target.values) {
            self.guard(&prepared, &[], &Call { guarded: true, ..call }, &mut cost)
                .await?;
        }
        Ok(target)
    }

    /// Writes what a reference shows on some axes by hand, for all judgements to come, and gives the whole table. An axis
    /// that is `None` counts as not visible. Within a turn.
    async fn edit_target_now(
        &self,
        reference: &Picture,
        edits: &BTreeMap<AxisId, Option<String>>,
        call: Call<'_>,
    ) -> Result<Target, JudgeError> {
        let before = self.target_now(reference, call).await?;
        let values: Vec<AxisValue> = call
            .rubric
            .axes
            .iter()
            .zip(before.values)
            .map(|(axis, value)| match edits.get(&axis.id) {
                Some(Some(words)) => AxisValue {
                    visible: 1.0,
                    value: words.clone(),
                },
                Some(None) => AxisValue { visible: 0.0, ..value },
                None => value,
            })
            .collect();
        let prepared = self.prepare(reference, &call).await?;
        let key = prepared.key(Kind::ReferenceValues(prepared.hash), call.rubric);
        self.memory.edit(&key, values.to_stored()).await?;
        self.target_now(reference, call).await
    }

    /// The self-check of this judge with a rubric, computed once and stored.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn self_check(&self, call: Call<'_>) -> Result<SelfCheck, JudgeError> {
        let _turn = self.turn(call.teller, call.cancel).await?;
        let identity = self.identity(call.rubric, call.cancel).await?;
        self.checked(&identity.hash(), identity.evidence, &call).await
    }

    /// Most tokens that a picture takes.
    #[must_use]
    pub fn image_tokens(&self) -> u32 {
        self.engine.image_tokens()
    }

    /// Gives the engine's memory back, where it takes any of this machine's.
    pub async fn unload(&self) {
        if let Some(resident) = self.engine.residency() {
            resident.unload().await;
        }
    }

    /// Loads the model, tells its progress, and fits the reference.
    async fn prepare(&self, reference: &Picture, call: &Call<'_>) -> Result<Prepared, JudgeError> {
        let info = self.load(&part(call.teller, LOADING), call.cancel).await?;
        let identity = self.identity(call.rubric, call.cancel).await?;
        let judge = identity.hash();
        let way = self.way(&identity).await?;
        let check = self.checked(&judge, way.evidence, call).await?;
        let mut flags = Vec::new();
        if !info.trained {
            flags.push(Flag::UntrainedModel);
        }
        if info.domain.is_some() {
            flags.push(Flag::NarrowModel);
        }
        if !check.passed {
            flags.push(Flag::SelfCheckFailed);
        }
        if !info.known_architecture {
            flags.push(Flag::UnknownArchitecture);
        }
        if info.closes_thinking {
            flags.push(Flag::ThinkingClosed);
        }
        flags.extend(reference.flags().iter().map(|f| Flag::Reference(*f)));
        if verdict::is_tiny(reference) {
            flags.push(Flag::TinyReference);
        }
        Ok(Prepared {
            reference: self.fitted(reference).await?,
            hash: reference.hash(),
            judge,
            way,
            // What has seen only drawings cannot tell a person's age.
            trusted: info.trained && info.domain.is_none() && check.passed,
            flags,
            system: protocol::system(call.rubric),
        })
    }

    async fn fitted(&self, picture: &Picture) -> Result<KeyedPixels, JudgeError> {
        let (picture, tokens) = (picture.clone(), self.engine.image_tokens());
        apart(move || keyed(&picture, tokens)).await
    }

    fn steps<'a>(&'a self, prepared: &'a Prepared, call: &Call<'a>, meter: &'a Meter) -> Steps<'a> {
        Steps {
            engine: &*self.engine,
            rubric: call.rubric,
            evidence: prepared.way.evidence,
            layout: protocol::layout(call.rubric, self.engine.image_tokens()),
            system: &prepared.system,
            base: &prepared.reference,
            lasting: &[],
            cancel: call.cancel,
            meter,
            cost: Cost::default(),
        }
    }

    async fn guard(
        &self,
        prepared: &Prepared,
        others: &[&KeyedPixels],
        call: &Call<'_>,
        cost: &mut Cost,
    ) -> Result<(), JudgeError> {
        if !call.guarded {
            return Ok(());
        }
        if !prepared.trusted {
            return Err(Refusal::JudgeUntrusted.into());
        }
        let pictures = 1 + others.len() as u64;
        let meter = Meter::new(
            &part(call.teller, GUARDING),
            "checking that only adults are shown",
            pictures,
        );
        let mut steps = self.steps(prepared, call, &meter);
        steps.age(&prepared.reference, Side::Reference).await??;
        for other in others {
            steps.age(other, Side::Generated).await??;
        }
        cost.add(&steps.cost);
        Ok(())
    }

    async fn target_values(&self, prepared: &Prepared, call: &Call<'_>, cost: &mut Cost) -> Result<Target, JudgeError> {
        let key = prepared.key(Kind::ReferenceValues(prepared.hash), call.rubric);
        let mut flags = prepared.flags.clone();
        let judge = prepared.judge.clone();
        if let Some(kept) = self.memory.load(&key).await? {
            let values: Vec<AxisValue> = one_an_axis(&kept.value, call.rubric)?;
            // The values are part of what is asked and of what counts, so scores by others are not comparable.
            let judge = match kept.edited {
                true => JudgeHash::of_texts(&[judge.as_str(), &to_json(&values)?.to_string()]),
                false => judge,
            };
            if kept.edited {
                flags.push(Flag::EditedReference);
            }
            return Ok(Target {
                values,
                edited: kept.edited,
                flags,
                judge,
            });
        }
        let meter = Meter::new(&part(call.teller, READING), "reading the reference", 1);
        let mut steps = self.steps(prepared, call, &meter);
        let values = steps.values(&prepared.reference).await?;
        cost.add(&steps.cost);
        self.memory.store(&key, values.to_stored()).await?;
        Ok(Target {
            values,
            edited: false,
            flags,
            judge,
        })
    }

    /// Ceiling and floor of every axis, once per reference and judge.
    async fn scale(
        &self,
        prepared: &Prepared,
        target: &Target,
        call: &Call<'_>,
        cost: &mut Cost,
    ) -> Result<Vec<Scale>, JudgeError> {
        // The values are part of what is asked, so edited ones have a scale of their own.
        let of = if target.edited && Steps::needs_values(prepared.way.evidence) {
            let values = to_json(&target.values)?.to_string();
            ScaleOf::Edited(digest_bytes(&[&prepared.hash.to_string(), &values]))
        } else {
            ScaleOf::Picture(prepared.hash)
        };
        let key = prepared.key(Kind::Scale(of), call.rubric);
        if let Some(kept) = self.memory.load(&key).await? {
            return Ok(one_an_axis(&kept.value, call.rubric)?);
        }
        let bank = selfcheck::bank(self.engine.image_tokens())?;
        let per_picture =
            Steps::asks_per_reading(prepared.way.evidence) + u64::from(Steps::needs_values(prepared.way.evidence));
        let total = Steps::asks_per_reading(prepared.way.evidence) + bank.len() as u64 * per_picture;
        let meter = Meter::new(&part(call.teller, SCALING), "measuring the reference's scale", total);
        let mut steps = Steps {
            lasting: &bank,
            ..self.steps(prepared, call, &meter)
        };
        let reference = Seen {
            pixels: &prepared.reference,
            values: &target.values,
        };
        let ceilings = steps.readings(reference, reference).await?;
        let mut floors = vec![Vec::with_capacity(bank.len()); ceilings.len()];
        for picture in &bank {
            let shown = if Steps::needs_values(prepared.way.evidence) {
                steps.values(picture).await?
            } else {
                Vec::new()
            };
            let readings = steps
                .readings(
                    reference,
                    Seen {
                        pixels: picture,
                        values: &shown,
                    },
                )
                .await?;
            for (floors, reading) in floors.iter_mut().zip(readings) {
                floors.push(reading);
            }
        }
        cost.add(&steps.cost);
        let scale: Vec<Scale> = ceilings
            .iter()
            .zip(&floors)
            .map(|(ceiling, floors)| Scale::measured(ceiling, floors))
            .collect();
        self.memory.store(&key, scale.to_stored()).await?;
        Ok(scale)
    }
}

/// Whether what was read from a picture names sexual content, so that the guard applies after all.
fn says_explicit(values: &[AxisValue]) -> bool {
    safety::applies(false, values.iter().map(|v| v.value.as_str()))
}

/// A reference ready to be compared with.
struct Prepared {
    reference: KeyedPixels,
    hash: ImageHash,
    judge: JudgeHash,
    way: Arc<Way>,
    trusted: bool,
    flags: Vec<Flag>,
    system: String,
}

impl Prepared {
    fn key(&self, kind: Kind, rubric: &Rubric) -> MemoryKey {
        MemoryKey {
            kind,
            judge: self.judge.clone(),
            rubric: rubric.hash(),
        }
    }
}

/// Fits a picture to the budget and names its pixels.
fn keyed(picture: &Picture, image_tokens: u32) -> Result<KeyedPixels, JudgeError> {
    use sha2::{Digest, Sha256};
    let fitted = fit(picture, TokenBudget::new(image_tokens)?)?;
    let mut hash = Sha256::new();
    hash.update(fitted.width.to_le_bytes());
    hash.update(fitted.height.to_le_bytes());
    hash.update(&fitted.rgb);
    Ok(KeyedPixels {
        key: PixelKey(hex(&hash.finalize())),
        pixels: Arc::new(Pixels {
            width: fitted.width,
            height: fitted.height,
            rgb: fitted.rgb,
        }),
    })
}

/// Reads what is kept of every axis of a rubric.
fn one_an_axis<T>(stored: &serde_json::Value, rubric: &Rubric) -> Result<Vec<T>, Unreadable>
where
    Vec<T>: Stored,
{
    let read = <Vec<T> as Stored>::from_stored(stored)?;
    if read.len() == rubric.axes.len() {
        return Ok(read);
    }
    Err(<Vec<T> as Stored>::unreadable(format!(
        "it is about {} axes, and the rubric has {}",
        read.len(),
        rubric.axes.len()
    )))
}

/// Measures a pair without a model.
async fn signals(pair: Pair<'_>) -> Result<Signals, JudgeError> {
    let (reference, generated) = (pair.reference.clone(), pair.generated.clone());
    apart(move || Ok(Signals::between(&reference, &generated)?)).await
}

/// Runs work on pixels off the async threads, on which others are answered.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JudgeError> + Send + 'static,
) -> Result<T, JudgeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(EngineError::Protocol(format!("a picture could not be prepared: {error}")).into()),
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, JudgeError> {
    serde_json::to_value(value)
        .map_err(|e| EngineError::Protocol(format!("a result cannot be written down: {e}")).into())
}
