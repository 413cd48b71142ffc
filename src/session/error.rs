//! What can go wrong above the modules: one error for the tools and the command line.

use std::path::PathBuf;
use std::sync::Arc;

use super::CancelledDuring;
use crate::config::RootError;
use comfyui::error::ComfyError;
use comfyui::graph::GraphError;
use comfyui::inject::ChoiceError;
use comfyui::knobs::InjectError;
use comfyui::lint::{self, Problem};
use history::HistoryError;
use imaging::PictureError;
use judge::JudgeError;
use judge::rubric::RubricError;
use safety::Refusal;
use text::Foreign;
use types::{ImageHash, IterationNo, PromptId, Seed, SessionId, Unreadable};

/// A call that could not be answered. `Display` says what failed and the state things are in,
/// [`ServiceError::hint`] what to do next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ServiceError {
    /// The history.
    #[error(transparent)]
    History(Arc<HistoryError>),
    /// ComfyUI.
    #[error(transparent)]
    Comfy(Arc<ComfyError>),
    /// The judge.
    #[error(transparent)]
    Judge(Arc<JudgeError>),
    /// A picture that was made or kept here.
    #[error(transparent)]
    Picture(Arc<PictureError>),
    /// A picture's file that a caller named: of two the message says which.
    #[error("{path} cannot be used: {error}; nothing was recorded")]
    PictureFile {
        /// The file as it was given.
        path: String,
        /// What is wrong with it.
        error: Arc<PictureError>,
    },
    /// A path outside the roots.
    #[error(transparent)]
    Root(Arc<RootError>),
    /// A workflow that cannot be read.
    #[error(transparent)]
    Graph(Arc<GraphError>),
    /// An edit that does not fit its node.
    #[error(transparent)]
    Inject(Arc<InjectError>),
    /// An answer to the question where a value goes.
    #[error(transparent)]
    Choice(Arc<ChoiceError>),
    /// A rubric.
    #[error("{0}; nothing was recorded")]
    Rubric(Arc<RubricError>),
    /// The adults-only guard.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A workflow that must not be posted.
    #[error("the workflow was not posted: {}", lint::in_words(.0))]
    Lint(Vec<Problem>),
    /// A file that cannot be read.
    #[error("{path} cannot be read: {reason}")]
    File {
        /// The file as it was given.
        path: String,
        /// Why.
        reason: String,
    },
    /// Arguments that do not fit together or the state of the session.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A record of a session that cannot be read.
    #[error("session {session}: {error}")]
    Unreadable {
        /// The session.
        session: SessionId,
        /// What cannot be read.
        error: Unreadable,
    },
    /// What went wrong with an iteration that is recorded.
    #[error("iteration {n} of session {session}: {error}")]
    At {
        /// The session.
        session: SessionId,
        /// The iteration.
        n: IterationNo,
        /// What went wrong.
        error: Box<ServiceError>,
    },
    /// A recorded picture whose file is gone.
    #[error("{what} is gone: {hash} is no longer in {}", folder.display())]
    PictureGone {
        /// Which picture, in words.
        what: String,
        /// Its hash, which is its file's name.
        hash: ImageHash,
        /// The folder of images.
        folder: PathBuf,
        /// How it can be had again.
        what_to_do: String,
    },
    /// As much goes on as may.
    #[error("{running} {what} go on or wait already, which is the most; this one was not begun")]
    Busy {
        /// Of what.
        what: &'static str,
        /// How many.
        running: usize,
    },
    /// The caller cancelled.
    #[error("cancelled{0}")]
    Cancelled(CancelledDuring),
    /// Another call stopped the work for everybody.
    #[error("stopped by a call with `cancel: true` over {} connection{during}", if *.same_connection { "this" } else { "another" })]
    Stopped {
        /// Whether it came over the same connection.
        same_connection: bool,
        /// How far the work was.
        during: CancelledDuring,
    },
    /// Somebody stopped a run in ComfyUI itself.
    #[error("run {run} was stopped in ComfyUI{}, at its page or by another program and not by this server; it has no picture{}", at_node(.node), not_begun(.left))]
    StoppedInComfyui {
        /// The run.
        run: PromptId,
        /// The node that was at work, if one was.
        node: Option<String>,
        /// The seeds of the same call that were then not begun.
        left: Vec<Seed>,
    },
    /// A run that showed no picture, as no run of this workflow would.
    #[error("{message}{}", not_begun(.left).replacen(", and", ";", 1))]
    NothingShown {
        /// What is so.
        message: String,
        /// What to do.
        hint: String,
        /// The seeds of the same call that were then not begun.
        left: Vec<Seed>,
    },
    /// A defect.
    #[error("an internal error: {0}. What was on disk is intact")]
    Internal(String),
}

fn at_node(node: &Option<String>) -> String {
    node.as_ref()
        .map(|id| format!(" at node {:#}", Foreign(id)))
        .unwrap_or_default()
}

fn not_begun(seeds: &[Seed]) -> String {
    let named: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    match seeds {
        [] => String::new(),
        [one] => format!(", and seed {one} was not begun"),
        _ => format!(", and seeds {} were not begun", named.join(", ")),
    }
}

/// What to do about ComfyUI where an iteration is named: an agent knows only tools.
fn hint_at_an_iteration(error: &ComfyError) -> String {
    const AGAIN: &str = "call queue_generation again with this session and iteration";
    match error {
        ComfyError::Lost { waited: false, .. } => format!(
            "ComfyUI was restarted, or forgot it: {AGAIN}; the run is looked for once more, and submitted anew if it is gone."
        ),
        ComfyError::Unreachable { url, .. } => format!(
            "Check that ComfyUI runs and that {url} opens in a browser; then {AGAIN}: a run that ComfyUI still has is found again."
        ),
        ComfyError::Broken { .. } | ComfyError::Timeout { .. } => {
            format!("Then {AGAIN}: the run is looked up first, so that nothing is submitted twice.")
        }
        other => other.hint(),
    }
}

impl ServiceError {
    /// Whether only the connection to ComfyUI failed, so that asking again may succeed.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Comfy(error) if error.is_passing())
    }

    /// Whether it tells how things stood, and nothing of the work itself: a connection or a disk may have been mended since.
    #[must_use]
    pub fn may_be_mended(&self) -> bool {
        self.is_passing() || matches!(self, Self::History(_))
    }

    /// Whether the caller cancelled.
    #[must_use]
    pub fn is_cancellation(&self) -> bool {
        match self {
            Self::Cancelled(_) => true,
            Self::At { error, .. } => error.is_cancellation(),
            _ => false,
        }
    }

    /// Whether other seeds are not to be begun after it: somebody stopped a run in ComfyUI itself, or they would fare no better.
    pub(super) fn is_of_every_seed(&self) -> bool {
        matches!(self, Self::StoppedInComfyui { .. } | Self::NothingShown { .. })
    }

    /// Whether ComfyUI no longer has the run, and not because somebody removed it from the queue.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Comfy(error) if matches!(**error, ComfyError::Lost { waited: false, .. }))
    }

    /// The same, with the seeds that were not begun because of it.
    pub(super) fn with_left(mut self, seeds: Vec<Seed>) -> Self {
        if let Self::StoppedInComfyui { left, .. } | Self::NothingShown { left, .. } = &mut self {
            *left = seeds;
        }
        self
    }

    /// Whether there was not enough memory, for the judge or for ComfyUI.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Judge(error) => error.is_out_of_memory(),
            Self::Comfy(error) => matches!(
                **error,
                ComfyError::NodeFailed {
                    out_of_memory: true,
                    ..
                }
            ),
            Self::At { error, .. } => error.is_out_of_memory(),
            _ => false,
        }
    }
}

macro_rules! shared {
    ($($variant:ident: $source:ty),+ $(,)?) => {$(
        impl From<$source> for ServiceError {
            fn from(error: $source) -> Self {
                Self::$variant(Arc::new(error))
            }
        }
    )+};
}
shared!(
    History: HistoryError,
    Comfy: ComfyError,
    Picture: PictureError,
    Root: RootError,
    Graph: GraphError,
    Inject: InjectError,
    Choice: ChoiceError,
    Rubric: RubricError,
);

impl From<JudgeError> for ServiceError {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Refused(refusal) => Self::Refused(refusal),
            error if error.is_cancelled() => Self::Cancelled(CancelledDuring::Judging),
            error => Self::Judge(Arc::new(error)),
        }
    }
}

impl ServiceError {
    /// Arguments that cannot be used.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The same, naming the iteration: a caller who has just written it does not know its number.
    pub(crate) fn at(self, session: &SessionId, n: IterationNo) -> Self {
        Self::At {
            session: session.clone(),
            n,
            error: Box::new(self),
        }
    }

    /// What a call that was cancelled is answered with; `goes_on` when others want the work to go on.
    pub(crate) fn left(goes_on: bool) -> Self {
        Self::Cancelled(match goes_on {
            true => CancelledDuring::SharedWork,
            false => CancelledDuring::OwnWork,
        })
    }

    /// The same, where a call asked that the work be stopped: whoever waited did not cancel.
    pub(crate) fn stopped_by_a_call(self, same_connection: bool) -> Self {
        match self {
            Self::Cancelled(during) => Self::Stopped {
                same_connection,
                during,
            },
            other => other,
        }
    }

    /// What to do next, for an agent.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::At { error, .. } => match &**error {
                Self::Comfy(error) => hint_at_an_iteration(error),
                other => other.hint(),
            },
            Self::History(e) => e.hint(),
            Self::Comfy(e) => e.hint(),
            Self::Judge(e) => e.hint(),
            Self::Picture(error) | Self::PictureFile { error, .. } => error.hint(),
            Self::Root(e) => e.hint(),
            Self::Graph(e) => e.hint(),
            Self::Inject(e) => e.hint(),
            Self::Choice(e) => e.hint(),
            Self::Rubric(e) => e.hint(),
            Self::Refused(e) => e.hint(),
            Self::Lint(problems) => lint::remedies(problems),
            Self::Unreadable { .. } => "Nothing was changed, and other sessions are not affected. Use the prompt-calibrator that wrote it (probably a newer one).".into(),
            Self::File { .. } => "Check that the file is still there and that this user may read it.".into(),
            Self::Usage { hint, .. } | Self::NothingShown { hint, .. } => hint.clone(),
            Self::PictureGone { what_to_do, .. } => what_to_do.clone(),
            Self::Busy { .. } => "Wait for those that go on (each has its handle, or its session and iteration), or stop some (queue_generation with `cancel: true`); then call again.".into(),
            Self::Cancelled(_) => "Call again if the result is still wanted.".into(),
            Self::Stopped { .. } => "Somebody wanted it stopped: ask before calling again. A new call keeps what was finished and runs the rest anew.".into(),
            Self::StoppedInComfyui { .. } => "Somebody wanted it stopped: ask the user whether it is still wanted, and do not run it again before that.".into(),
            Self::Internal(_) => "Call again; if it happens twice, report the message.".into(),
        }
    }
}

types::hints!(ServiceError);
