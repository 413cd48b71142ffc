//! The one seam: prepares, runs, judges and records. Above it only words for clients, below it
//! the modules that do not know each other.

mod cancelled;
mod deciding;
mod error;
mod evidence;
mod facts;
mod fetch;
mod files;
mod inject;
mod jobs;
mod judge_plan;
mod judging;
mod kept;
mod memory;
mod notebook;
mod opening;
mod overview;
mod pictured;
mod prompt_place;
mod question;
mod queue;
mod record;
pub mod records;
mod results;
mod run;
mod seeds;
mod sharing;
mod show;
mod target;
mod texts;
mod told;
mod uploads;
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{Roots, RubricChoice};
use comfyui::client::Client;
use comfyui::runs::{RunConfig, Runner};
use history::{HistoryError, Stamp, Store};
use judge::Judge;
use judge::cache::Memory;
use judge::engine::Engine;
use judge::protocol::Evidence;
use judge::rubric::Rubric;
use types::SessionId;

pub use cancelled::CancelledDuring;
pub use error::ServiceError;
pub use fetch::MAX_PICTURES;
pub use files::Loaded;
pub use inject::{Draft, InjectRequest, Injected};
pub use jobs::Caller;
pub use judging::{BestSoFar, JudgeAnswer, JudgeRequest, Judged, Judgement, JudgementOf, Judging, TargetTable};
pub use kept::{KeptPicture, PictureFile};
pub use notebook::{Notebook, Noted, NotedRun, Thumbnail};
pub use overview::{AdviceView, AxisAt, AxisView, Best, IterationView, Overview, OverviewRequest, PAGE, SessionView};
pub use prompt_place::TextBeside;
pub use question::{Asked, Candidate, Planned, Question};
pub use queue::{QueueAnswer, QueueRequest, Queued, RunReport};

pub use deciding::Outcome;
pub use records::JudgementRecord;
pub use sharing::{HandOver, Policy, Side};
pub use show::{MAX_SENT, Previews, hash_of};

use deciding::AtWork;
use jobs::Jobs;
use sharing::Sharing;
use told::Told;

/// Overall score at which a calibration is done unless the session says otherwise.
pub const DEFAULT_TARGET: f64 = 0.85;
/// Iterations after which an agent should stop unless the session says otherwise.
pub const DEFAULT_MAX_ITERATIONS: u32 = 12;
/// Seconds a call waits before it answers with a handle, unless it says otherwise. Clients cut
/// calls at about 60 s.
pub const DEFAULT_WAIT_S: u32 = 50;

/// What a service is made of.
pub struct Parts {
    /// The history.
    pub store: Store,
    /// The ComfyUI server.
    pub comfy: Client,
    /// How runs are followed.
    pub runs: RunConfig,
    /// The judge's engine.
    pub engine: Arc<dyn Engine>,
    /// What stands before the judge's question; nothing for what was fitted for the judge.
    pub evidence: Option<Evidence>,
    /// What may be read.
    pub roots: Roots,
    /// The rubric of sessions that name none.
    pub rubric: RubricChoice,
    /// How the judge and ComfyUI share a GPU.
    pub gpu_sharing: Policy,
}

/// One judge, one history, one ComfyUI; shared by all clients. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    store: Store,
    client: Client,
    runner: Runner,
    judge: Arc<Judge>,
    roots: Roots,
    default_rubric: RubricChoice,
    sharing: Arc<Sharing>,
    queued: Arc<Jobs<Queued>>,
    judgings: Arc<Jobs<Judging>>,
    at_work: AtWork,
    told: Told,
    resumed: Arc<AtomicBool>,
    /// Turns at working through graphs: of large ones each takes a processor for a while.
    graphs: Arc<Semaphore>,
    /// Turns at holding a workflow that is written into or looked at.
    drafting: Arc<Semaphore>,
    /// Room for workflows that are rendered, in KiB of their text.
    rendering: Arc<Semaphore>,
    /// Held by the call that reads the pictures it is to judge.
    hands: Arc<tokio::sync::Mutex<()>>,
}

/// How many graphs are worked through at a time.
const GRAPHS_AT_ONCE: usize = 2;

/// How many calls write into a workflow at a time, so that large ones do not add up. Long enough to go on when ComfyUI keeps one
/// of them waiting.
const DRAFTS_AT_ONCE: usize = 2;

/// KiB of JSON text of the workflows that are rendered at a time: one of the largest, and of usual ones some dozens.
const RENDERED_KIB: u32 = 1024;

impl Service {
    /// Puts the parts together. Takes no lock, port or GPU: the history opens and the judge loads
    /// on first use. Needs a tokio runtime.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let memory: Arc<dyn Memory> = Arc::new(memory::HistoryMemory(parts.store.clone()));
        Self {
            judge: Arc::new(Judge::new(parts.engine, parts.evidence, memory)),
            runner: Runner::new(parts.comfy.clone(), parts.runs),
            sharing: Arc::new(Sharing::new(parts.gpu_sharing, parts.comfy.clone())),
            client: parts.comfy,
            store: parts.store,
            roots: parts.roots,
            default_rubric: parts.rubric,
            queued: Arc::default(),
            judgings: Arc::default(),
            at_work: AtWork::default(),
            told: Told::default(),
            resumed: Arc::default(),
            graphs: Arc::new(Semaphore::new(GRAPHS_AT_ONCE)),
            drafting: Arc::new(Semaphore::new(DRAFTS_AT_ONCE)),
            rendering: Arc::new(Semaphore::new(RENDERED_KIB as usize)),
            hands: Arc::default(),
        }
    }

    /// The judge.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The rubric of calls that name none.
    ///
    /// # Errors
    /// [`ServiceError`] when it cannot be read.
    pub async fn default_rubric(&self) -> Result<Rubric, ServiceError> {
        self.rubric(None).await
    }

    /// The history.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Hears that something in the history changed, as [`Store::changes`] says.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.store.changes()
    }

    /// What changes whenever a session does, as [`Store::stamp`] says.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn stamp(&self, session: Option<&SessionId>) -> Result<Stamp, HistoryError> {
        self.store.stamp(session).await
    }

    /// How the judge and ComfyUI share a GPU, in words.
    ///
    /// # Errors
    /// [`ServiceError`] when the judge process cannot be started to ask its driver.
    pub async fn gpu_sharing(&self, cancel: &CancellationToken) -> Result<String, ServiceError> {
        self.sharing.in_words(&self.judge, cancel).await
    }

    /// The ComfyUI server.
    #[must_use]
    pub fn comfy(&self) -> &Client {
        &self.client
    }
}
