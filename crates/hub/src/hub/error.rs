//! What a hub can answer instead of a file.

use std::time::Duration;

use text::Foreign;

/// Longest wait that is waited out when a hub asks for one.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why a hub did not give what was asked for. No part of a file is kept by what fails with this alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// The connection cannot be prepared.
    #[error("the connection to the hub cannot be set up: {0}")]
    Setup(String),
    /// Nothing connects.
    #[error("{host} cannot be reached: {detail}")]
    Unreachable {
        /// Who.
        host: String,
        /// The system's reason.
        detail: String,
    },
    /// The connection broke, or nothing came for long.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// 401: it wants to know who asks.
    #[error("the hub {} for {repo}", sign_in(*.had_token))]
    SignIn {
        /// The repository.
        repo: String,
        /// Whether a token was sent.
        had_token: bool,
        /// Where tokens are made.
        tokens: String,
    },
    /// 403, or a gated repository: the licence was not accepted, or the token may not do this.
    #[error("the hub refuses access to {repo}{}", in_brackets(.said))]
    Forbidden {
        /// The repository.
        repo: String,
        /// What the hub said.
        said: String,
        /// The repository's page.
        page: String,
        /// Whether a token was sent.
        had_token: bool,
    },
    /// 404 for the whole repository.
    #[error("there is no repository {repo} on {host}")]
    NoRepository {
        /// The repository.
        repo: String,
        /// The hub.
        host: String,
    },
    /// 404 for the revision.
    #[error("{repo} has no revision {revision:?}")]
    NoRevision {
        /// The repository.
        repo: String,
        /// The revision.
        revision: String,
    },
    /// 404 for the file.
    #[error("{repo} has no file {file}")]
    NoFile {
        /// The repository.
        repo: String,
        /// The file.
        file: String,
        /// Files that it has, with similar names.
        near: Vec<String>,
    },
    /// 429.
    #[error("the hub says that there were too many requests{}", to_wait(.wait))]
    TooMany {
        /// How long it asks to wait.
        wait: Option<Duration>,
    },
    /// Another status.
    #[error("the hub answered {what} with status {status}")]
    Status {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
    },
    /// It sends on to an address that is not gone to.
    #[error("the hub sends on to {to}, {why}")]
    Redirect {
        /// Where to, without what may be secret in it.
        to: String,
        /// Why that is not followed.
        why: &'static str,
    },
    /// An answer that no hub gives.
    #[error("the hub's answer to {what} cannot be understood: {detail}")]
    BadAnswer {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// More or fewer bytes than it said.
    #[error("the hub announced {announced} bytes and then sent {sent}")]
    SizeDiffers {
        /// Bytes it announced.
        announced: u64,
        /// What it sent instead.
        sent: String,
    },
    /// It is not a model.
    #[error("it is not a GGUF file: it begins with {begins:?}")]
    NotGguf {
        /// Its first characters.
        begins: String,
    },
}

/// Whether asking again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// No.
    Never,
    /// After a pause.
    Later,
    /// After the time that the hub names.
    After(Duration),
}

impl HubError {
    /// Whether asking again may help.
    pub fn again(&self) -> Again {
        match self {
            Self::TooMany { wait: Some(wait) } if *wait > PATIENCE => Again::Never,
            Self::TooMany { wait: Some(wait) } => Again::After(*wait),
            Self::TooMany { wait: None } | Self::Broken(_) | Self::Unreachable { .. } => Again::Later,
            Self::Status { status, .. } if *status == 408 || *status >= 500 => Again::Later,
            _ => Again::Never,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Setup(_) => "Check HTTPS_PROXY and the system's certificates (package ca-certificates).".into(),
            Self::Unreachable { host, .. } => format!(
                "Check the connection, and that {host} opens in a browser; HF_ENDPOINT names another hub, HTTPS_PROXY a \
                 proxy. Then repeat the command."
            ),
            Self::Broken(_) => "Repeat the command.".into(),
            Self::SignIn {
                had_token: true,
                tokens,
                ..
            } => {
                format!(
                    "Make a new token at {tokens} and set HF_TOKEN to it; or unset HF_TOKEN for a public repository."
                )
            }
            Self::SignIn { tokens, .. } => format!(
                "Check the repository's spelling: the hub answers like this for those that do not exist, too. A private \
                 or gated one needs a token: make one at {tokens} and set HF_TOKEN to it."
            ),
            Self::Forbidden { page, had_token, .. } => {
                let token = match had_token {
                    true => "check that the token in HF_TOKEN is yours and may read gated repositories",
                    false => "set HF_TOKEN to a token of that account",
                };
                format!(
                    "Open {page} in a browser, sign in and accept its licence; then {token}, and repeat the command."
                )
            }
            Self::NoRepository { .. } => "Check its spelling: owner/name, as in its page's address.".into(),
            Self::NoRevision { .. } => "Leave out --revision, or name a branch, a tag or a commit of it.".into(),
            Self::NoFile { near, .. } if near.is_empty() => {
                "Look at its page: its files have their names there.".into()
            }
            Self::NoFile { near, .. } => format!("It has: {}.", near.join(", ")),
            Self::TooMany { .. } => "Wait a while and repeat the command. Signing in (HF_TOKEN) allows more.".into(),
            Self::Status { status: 500.., .. } => "The hub has trouble: repeat the command later.".into(),
            Self::Status { .. } | Self::BadAnswer { .. } => {
                "Check HF_ENDPOINT: it has to be a hub that speaks as huggingface.co does.".into()
            }
            Self::Redirect { .. } => "Check HF_ENDPOINT, and that no proxy or login page is in between.".into(),
            Self::SizeDiffers { .. } => {
                "Repeat the command; if it stays so, the hub or a proxy in between is at fault: try another network."
                    .into()
            }
            Self::NotGguf { .. } => {
                "Check the file's name, and that no proxy or login page is in between: it may be a web page.".into()
            }
        }
    }
}

types::hints!(HubError);

fn sign_in(had_token: bool) -> &'static str {
    match had_token {
        true => "does not accept the token",
        false => "wants a token",
    }
}

fn in_brackets(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!(" ({})", Foreign(text)),
    }
}

fn to_wait(wait: &Option<Duration>) -> String {
    match wait {
        Some(wait) => format!("; it asks to wait for {} s", wait.as_secs()),
        None => String::new(),
    }
}
