//! Answering an [`Ask`]: lay out the prefix, fork a sequence per branch, read the logits.

use std::ffi::CString;
use std::path::Path;
use std::time::Instant;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use super::StopFlag;
use super::devices::gpu_names;
use super::forks::{Forks, Group};
use super::kept::Kept;
use super::leaks;
use super::prefixes::{FIRST_BRANCH, Means, Prefixes, WORK, tokens_of};
use super::raw::{self, Context, ContextSize, LoadedAdapter, Vision};
use super::tokens::{Step, Tokens};
use super::vision::{Shelf, embed};
use crate::cells::{at_once, cells, sequences};
use crate::error::LlamaError;
use crate::fingerprint::fingerprint;
use crate::memory::{GgufError, Head, Placement};
use crate::spec::{KeepSpec, ModelSpec};
use files::regular;
use judge::engine::{Answer, Answers, Ask, Branch, Cost, EngineInfo, Layout, MAX_BRANCHES, PixelKey, Pixels, Want};

/// A loaded judge. Lives on one thread of the judge process.
pub struct LlamaEngine<'m> {
    // Dropped in this order: context, adapters, projector; the model is borrowed and outlives them.
    context: Option<(Layout, Context<'m>)>,
    adapters: Vec<LoadedAdapter<'m>>,
    vision: Vision<'m>,
    model: &'m LlamaModel,
    tokens: Tokens,
    shelf: Shelf,
    kept: Option<Kept>,
    prefixes: Prefixes,
    /// Whether the model keeps a state for each sequence.
    states: bool,
    stop: StopFlag,
    threads: i32,
    info: EngineInfo,
}

/// Loads the language model. `report` gets progress in `[0, 1]`.
pub fn load_model(
    backend: &LlamaBackend,
    spec: &ModelSpec,
    placement: Option<Placement>,
    stop: &StopFlag,
    mut report: impl FnMut(f32) + 'static,
) -> Result<LlamaModel, LlamaError> {
    readable("model", &spec.model)?;
    readable("projector", &spec.mmproj)?;
    for adapter in &spec.adapters {
        readable("adapter", &adapter.path)?;
    }
    let mut params = LlamaModelParams::default();
    let layers = spec.gpu_layers.or(placement.map(|placement| placement.layers));
    if let Some(layers) = layers {
        params = params.with_n_gpu_layers(layers);
    }
    if layers == Some(0) {
        // Without any layer there, llama.cpp would still send large products to a GPU that it knows of.
        params = params
            .with_devices(&[])
            .map_err(|error| LlamaError::Protocol(error.to_string()))?;
    }
    let flag = stop.clone();
    let params = params.with_progress_callback(move |progress| {
        report(progress);
        !flag.is_set()
    });
    // The pattern has to live until the model is loaded.
    let experts = experts_away(placement.map_or(0, |placement| placement.experts_away));
    let mut params = std::pin::pin!(params);
    if let Some(experts) = &experts {
        params.as_mut().add_cpu_buft_override(experts);
    }
    LlamaModel::load_from_file(backend, &spec.model, &params).map_err(|error| {
        if stop.is_set() {
            LlamaError::Cancelled
        } else {
            LlamaError::Load {
                what: "model".into(),
                path: spec.model.clone(),
                reason: format!("it is damaged, incomplete or not a GGUF file ({error})"),
            }
        }
    })
}

/// The experts of so many of the first layers, as a pattern of tensors' names.
fn experts_away(layers: u32) -> Option<CString> {
    let numbers: Vec<String> = (0..layers).map(|layer| layer.to_string()).collect();
    let pattern = format!(r"blk\.({})\.ffn_(up|down|gate|gate_up)_(ch|)exps", numbers.join("|"));
    CString::new(pattern).ok().filter(|_| layers > 0)
}

fn readable(what: &str, path: &Path) -> Result<(), LlamaError> {
    let failed = |reason: String| LlamaError::File {
        what: what.into(),
        path: path.into(),
        reason,
    };
    regular::open(path).map_err(|e| failed(e.to_string()))?;
    match Head::read(path) {
        // llama.cpp loads a projector that lacks its last bytes without a word. Of all else it says what is wrong.
        Err(GgufError::CutOff { needed, found, .. }) => Err(LlamaError::Load {
            what: what.into(),
            path: path.into(),
            reason: format!("it is cut off: its tensors need {needed} bytes and it has {found}"),
        }),
        Err(GgufError::SomethingElse { looks_like, .. }) => Err(LlamaError::Load {
            what: what.into(),
            path: path.into(),
            reason: format!("it is {looks_like}"),
        }),
        _ => Ok(()),
    }
}

impl<'m> LlamaEngine<'m> {
    /// Loads the projector beside a loaded model. `report` gets progress in `[0, 1]`.
    pub fn new(
        model: &'m LlamaModel,
        spec: &ModelSpec,
        placement: Option<Placement>,
        stop: &StopFlag,
        mut report: impl FnMut(f32),
    ) -> Result<Self, LlamaError> {
        let tokens = Tokens::of(model)?;
        let threads = spec
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1)));
        let threads = i32::try_from(threads.max(1)).unwrap_or(1);
        // Asking for its name starts the driver.
        let uses_gpu = spec.gpu_layers != Some(0) && placement.is_none_or(|placement| placement.uses_gpu());
        let device = if uses_gpu { gpu_names() } else { None };
        let gpu = device.is_some() && placement.is_none_or(|placement| placement.projector);
        // Nothing of the work is the processor's, beside what always is.
        let layers = model.n_layer() as usize;
        let whole = device.is_some()
            && spec.gpu_layers.is_none_or(|wanted| wanted as usize > layers)
            && placement.is_none_or(|placement| placement.is_whole(layers) && placement.projector);
        let mut go_on = |progress| {
            report(progress);
            !stop.is_set()
        };
        let mut vision = Vision::load(model, &spec.mmproj, spec.image_tokens, threads, gpu, stop, &mut go_on)
            .map_err(|error| if stop.is_set() { LlamaError::Cancelled } else { error })?;
        let architecture = model
            .meta_val_str("general.architecture")
            .unwrap_or_else(|_| "unknown".into());
        let states = raw::keeps_states(model);
        let info = EngineInfo {
            known_architecture: architecture.starts_with("qwen3vl"),
            architecture,
            name: model.meta_val_str("general.name").ok(),
            parameters: model.n_params(),
            bytes: model.size(),
            // Work split otherwise sums otherwise, and the judge's hash has to tell.
            backend: match (device, spec.gpu_layers, placement) {
                (None, ..) => "CPU".into(),
                (Some(device), Some(layers), _) => format!("{device}, {layers} layers"),
                (Some(device), None, Some(placement)) if !whole => format!("{device}, {placement}"),
                (Some(device), None, _) => device,
            },
            instructions: if whole { String::new() } else { raw::instructions() },
            engine: engine(states),
            domain: model.meta_val_str("prompt_calibrator.domain").ok(),
            trained: model
                .meta_val_str("prompt_calibrator.trained")
                .map_or(true, |v| v != "false"),
            closes_thinking: tokens.closes_thinking,
        };
        let adapters = spec
            .adapters
            .iter()
            .map(|a| LoadedAdapter::load(model, a))
            .collect::<Result<Vec<_>, _>>()?;
        leaks::check(model, &mut vision, &adapters, &tokens, threads, stop)?;
        let kept = spec
            .keep
            .as_ref()
            .map(|keep| kept(keep, model, spec, &info))
            .transpose()?;
        Ok(Self {
            context: None,
            adapters,
            vision,
            model,
            tokens,
            shelf: Shelf::default(),
            kept,
            prefixes: Prefixes::default(),
            states,
            stop: stop.clone(),
            threads,
            info,
        })
    }

    /// What was loaded.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Answers an ask. `pixels` holds the pictures that came with it; those that are neither
    /// there nor on the shelf are asked for with [`LlamaError::NeedPixels`].
    pub fn ask(&mut self, ask: &Ask, pixels: &[(PixelKey, Pixels)]) -> Result<Answers, LlamaError> {
        let mut cost = Cost::default();
        let vocabulary = self.model.vocab();
        let prefix = self.tokens.steps(&vocabulary, &ask.system, &ask.images);
        let waves = self.waves(ask)?;
        check_prefix(&prefix, ask)?;
        // Up to here nothing in the context changes, so asking for pixels costs no prefix.
        self.embed_missing(ask, pixels, &mut cost)?;

        let result = self.lay_and_answer(ask, &prefix, &waves, &mut cost);
        if result.is_err() {
            // What the context holds after a failure is not known (a state may be half computed, or no number): start afresh
            // next time.
            self.prefixes = Prefixes::default();
            if let Some((_, context)) = &mut self.context {
                context.wipe();
            }
        }
        result.map(|answers| Answers { answers, cost })
    }

    fn lay_and_answer(
        &mut self,
        ask: &Ask,
        prefix: &[Step],
        waves: &[Wave<'_>],
        cost: &mut Cost,
    ) -> Result<Vec<Answer>, LlamaError> {
        let images = std::slice::from_ref(&ask.base);
        let base = self.tokens.steps(&self.model.vocab(), &ask.system, images);
        self.prepare(&ask.layout)?;
        let (_, context) = self.context.as_mut().ok_or_else(no_context)?;
        let started = Instant::now();
        let mut means = Means {
            context,
            vision: &mut self.vision,
            shelf: &mut self.shelf,
            stop: &self.stop,
            cost,
        };
        let start = self.prefixes.lay(&base, prefix, &mut means)?;
        cost.prefill_s = started.elapsed().as_secs_f64();
        self.answer(start, waves, cost)
    }

    /// The branches as tokens: those that are asked at once, and of these the ones with the same lead together as they come.
    fn waves<'a>(&self, ask: &'a Ask) -> Result<Vec<Wave<'a>>, LlamaError> {
        let layout = &ask.layout;
        let count = u32::try_from(ask.branches.len()).unwrap_or(u32::MAX);
        if layout.branches > MAX_BRANCHES || count > layout.branches {
            return Err(LlamaError::TooLong {
                what: "the list of questions".into(),
                tokens: count,
                limit: layout.branches.min(MAX_BRANCHES),
            });
        }
        let at_once = at_once(layout, self.states).max(1) as usize;
        ask.branches
            .chunks(at_once)
            .map(|branches| self.wave(branches, layout.branch_tokens))
            .collect()
    }

    fn wave<'a>(&self, branches: &'a [Branch], limit: u32) -> Result<Wave<'a>, LlamaError> {
        let vocabulary = self.model.vocab();
        let groups: Vec<Group> = branches
            .chunk_by(|a, b| a.lead == b.lead)
            .scan(0, |begin, branches| {
                let group = Group {
                    lead: self.tokens.lead(&vocabulary, &branches.first()?.lead),
                    begin: *begin,
                    questions: branches
                        .iter()
                        .map(|b| self.tokens.branch(&vocabulary, &b.text))
                        .collect(),
                };
                *begin += branches.len();
                Some(group)
            })
            .collect();
        let answers: u32 = branches
            .iter()
            .map(|branch| match branch.want {
                Want::Text { max_tokens } | Want::Constrained { max_tokens, .. } => max_tokens,
                Want::Digits | Want::YesNo => 1,
            })
            .sum();
        let fed: usize = groups.iter().map(Group::tokens).sum();
        let size = u32::try_from(fed).unwrap_or(u32::MAX).saturating_add(answers);
        if size > limit {
            return Err(LlamaError::TooLong {
                what: "the questions on all axes together".into(),
                tokens: size,
                limit,
            });
        }
        Ok(Wave { branches, groups })
    }

    fn embed_missing(&mut self, ask: &Ask, pixels: &[(PixelKey, Pixels)], cost: &mut Cost) -> Result<(), LlamaError> {
        let mut wanted: Vec<PixelKey> = vec![ask.base.clone()];
        for key in &ask.images {
            if !wanted.contains(key) {
                wanted.push(key.clone());
            }
        }
        let mut missing: Vec<PixelKey> = wanted.iter().filter(|key| !self.shelf.touch(key)).cloned().collect();
        let needs_pixels = |key: &&PixelKey| {
            let lasts = self
                .kept
                .as_ref()
                .is_some_and(|kept| ask.lasting.contains(key) && kept.has(key));
            !lasts && !pixels.iter().any(|(k, _)| k == *key)
        };
        // Asked for before anything is read or encoded, so that nothing is done twice.
        let absent: Vec<PixelKey> = missing.iter().filter(needs_pixels).cloned().collect();
        if !absent.is_empty() {
            return Err(LlamaError::NeedPixels(absent));
        }
        if let Some(kept) = &self.kept {
            missing.retain(|key| {
                let Some(found) = ask.lasting.contains(key).then(|| kept.load(key)).flatten() else {
                    return true;
                };
                self.shelf.put(key.clone(), found, &wanted);
                cost.images_kept += 1;
                false
            });
        }
        // What was kept may have turned out damaged.
        let absent: Vec<PixelKey> = missing
            .iter()
            .filter(|key| !pixels.iter().any(|(k, _)| k == *key))
            .cloned()
            .collect();
        if !absent.is_empty() {
            return Err(LlamaError::NeedPixels(absent));
        }
        let started = Instant::now();
        for key in missing {
            let Some((_, picture)) = pixels.iter().find(|(k, _)| *k == key) else {
                continue;
            };
            let embedded = embed(&mut self.vision, picture, ask.layout.image_tokens)?;
            if let Some(kept) = self.kept.as_ref().filter(|_| ask.lasting.contains(&key)) {
                kept.store(&key, &embedded);
            }
            self.shelf.put(key, embedded, &wanted);
            cost.images_encoded += 1;
        }
        cost.encode_s = started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Creates the context when there is none of this layout.
    fn prepare(&mut self, layout: &Layout) -> Result<(), LlamaError> {
        if self.context.as_ref().is_some_and(|(l, _)| l == layout) {
            return Ok(());
        }
        // Freed before the new one is made, so that both never exist at once.
        self.context = None;
        self.prefixes = Prefixes::default();
        let size = ContextSize {
            cells: cells(layout),
            sequences: sequences(layout, self.states),
            threads: self.threads,
        };
        self.context = Some((*layout, Context::new(self.model, &self.adapters, size, &self.stop)?));
        Ok(())
    }

    fn answer(&mut self, start: i32, waves: &[Wave<'_>], cost: &mut Cost) -> Result<Vec<Answer>, LlamaError> {
        let vocabulary = self.model.vocab();
        let (_, context) = self.context.as_mut().ok_or_else(no_context)?;
        let mut answers = Vec::new();
        for Wave { branches, groups } in waves {
            let sequences = (FIRST_BRANCH..).take(branches.len());
            for sequence in sequences.clone() {
                context.fork(WORK, sequence);
            }
            let forks = Forks {
                context,
                model: self.model,
                tokens: &self.tokens,
                vocabulary: &vocabulary,
                stop: &self.stop,
                start,
                first: FIRST_BRANCH,
            };
            answers.extend(forks.run(branches, groups, cost)?);
            for sequence in sequences {
                context.remove(sequence);
            }
        }
        Ok(answers)
    }
}

/// Branches that are asked at once.
struct Wave<'a> {
    branches: &'a [Branch],
    groups: Vec<Group>,
}

/// llama.cpp's version. Scores that models with states got from a version of this program that copied them in part are not
/// comparable: the addition sets these judges apart.
fn engine(states: bool) -> String {
    let version = raw::version();
    let whole = if states { ", whole states" } else { "" };
    format!("llama.cpp {version}{whole}")
}

/// What the embeddings of this model and projector are kept under.
fn kept(keep: &KeepSpec, model: &LlamaModel, spec: &ModelSpec, info: &EngineInfo) -> Result<Kept, LlamaError> {
    let print = |what: &str, path: &Path| {
        fingerprint(path).map_err(|error| LlamaError::File {
            what: what.into(),
            path: path.into(),
            reason: error.to_string(),
        })
    };
    let maker = [
        print("model", &spec.model)?,
        print("projector", &spec.mmproj)?,
        engine(false),
        info.backend.clone(),
        info.instructions.clone(),
        spec.image_tokens.to_string(),
    ];
    let maker: Vec<&str> = maker.iter().map(String::as_str).collect();
    Ok(Kept::new(
        keep.folder.clone(),
        keep.limit,
        &maker,
        raw::embedding_width(model),
    ))
}

/// Text of the prefix must stay within its plan, or the context could run full halfway.
fn check_prefix(steps: &[Step], ask: &Ask) -> Result<(), LlamaError> {
    let layout = &ask.layout;
    let tokens = tokens_of(steps);
    if tokens > layout.system_tokens {
        return Err(LlamaError::TooLong {
            what: "the rubric's text".into(),
            tokens,
            limit: layout.system_tokens,
        });
    }
    // A prompt that begins with the base picture shares its cells.
    let shared = usize::from(ask.images.first() == Some(&ask.base));
    let images = steps.iter().filter(|s| matches!(s, Step::Image(_))).count() - shared;
    let images = u32::try_from(images).unwrap_or(u32::MAX);
    if images > layout.more_images {
        return Err(LlamaError::TooLong {
            what: "the list of pictures".into(),
            tokens: images,
            limit: layout.more_images,
        });
    }
    Ok(())
}

fn no_context() -> LlamaError {
    LlamaError::Protocol("there is no context".into())
}
