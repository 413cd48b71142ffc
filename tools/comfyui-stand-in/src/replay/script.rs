//! What a replaying server is to do.

use std::collections::HashMap;

use serde_json::Value;

use super::recording::{Frame, Recording};

/// The behaviour of one replaying server. Everything that it does not mention is refused and remembered.
#[derive(Debug, Clone)]
pub struct Script {
    /// The run to play.
    pub recording: Recording,
    /// How the submission is answered.
    pub post: Post,
    /// Where the job is after the submission.
    pub start: Start,
    /// What happens before a frame, by its index.
    pub before_frame: HashMap<usize, Act>,
    /// How many looks at the history find nothing after the run is over.
    pub history_held: usize,
    /// How the run ends when it is interrupted; without one, `/interrupt` is unexpected.
    pub interrupted: Option<Recording>,
    /// Answers to further requests, by `METHOD /path?query`.
    pub answers: HashMap<String, Answer>,
    /// Path prefix under which the server answers, such as `/comfy`.
    pub prefix: String,
    /// Value of `Authorization` without which everything is answered 401.
    pub authorization: Option<String>,
}

impl Script {
    /// Plays a recording as it went.
    pub fn new(recording: Recording) -> Self {
        Self {
            recording,
            post: Post::Recorded,
            start: Start::Running,
            before_frame: HashMap::new(),
            history_held: 0,
            interrupted: None,
            answers: HashMap::new(),
            prefix: String::new(),
            authorization: None,
        }
    }

    /// Adds something that happens before the frame of this index.
    #[must_use]
    pub fn before(mut self, frame: usize, act: Act) -> Self {
        self.before_frame.insert(frame, act);
        self
    }

    /// Adds an answer to `METHOD /path?query`.
    #[must_use]
    pub fn answer(mut self, request: &str, answer: Answer) -> Self {
        self.answers.insert(request.to_owned(), answer);
        self
    }
}

/// How the submission is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// As recorded.
    Recorded,
    /// The job is queued, but no answer ever comes.
    QueuedInSilence,
    /// The job is not queued, and no answer ever comes.
    Silence,
}

/// Where the job is after the submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It runs at once.
    Running,
    /// It waits behind one that runs and `ahead` that wait, until it is released or deleted.
    Pending {
        /// How many wait before it.
        ahead: usize,
    },
}

/// Something that happens before a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Nothing more is sent until the test releases it, or the run is interrupted.
    Hold,
    /// The connection of the WebSocket is cut; playing goes on when the client is back.
    CutSocket,
    /// The whole server dies with all its connections.
    Die,
    /// The server restarts: connections are cut, queue and history are empty.
    Restart,
    /// Other frames are sent first.
    Send(Vec<Frame>),
}

/// A scripted answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status and a JSON body.
    Json(u16, Value),
    /// A status and a body as it is.
    Bytes(u16, Vec<u8>),
    /// Status 200 and fewer bytes than were announced.
    Cut {
        /// What is sent.
        bytes: Vec<u8>,
        /// What `Content-Length` says.
        announced: usize,
    },
    /// Status 200 and a body without end or length.
    Endless,
}
