//! How far the work of a call was that its caller cancelled.

use std::fmt;

use types::PromptId;

/// What a call was doing when it was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelledDuring {
    /// Looking at workflows, asking the user, or waiting for a turn.
    Preparing,
    /// Reading what is to be judged.
    Planning,
    /// Waiting for the GPU.
    WaitingForGpu,
    /// Sending a workflow.
    Submitting,
    /// This run, which was then stopped.
    Rendering(PromptId),
    /// Fetching the pictures of a finished run.
    Fetching,
    /// Judging.
    Judging,
    /// Waiting for work that others wait for too, or were told of: it goes on.
    SharedWork,
    /// Waiting for work that nobody else wants: it is being stopped.
    OwnWork,
}

/// What follows "cancelled" in an error.
impl fmt::Display for CancelledDuring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preparing => "",
            Self::Planning => ": nothing was started",
            Self::WaitingForGpu => " while waiting for the GPU",
            Self::Submitting => ": nothing was sent to ComfyUI",
            Self::Rendering(run) => return write!(f, ": run {run} was stopped in ComfyUI"),
            Self::Fetching => ": the run is finished in ComfyUI, and calling again fetches its pictures",
            Self::Judging => ": nothing was scored",
            Self::SharedWork => ": the work goes on for others who wait for it, or were told that it does",
            Self::OwnWork => ": the work is being stopped",
        })
    }
}
