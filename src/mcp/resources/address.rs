//! The addresses of what a client may read: `calibrator://…`, and the page `ui://…`.

use std::fmt;
use std::str::FromStr;

use judge::rubric::BUILTIN_NAMES;
use types::{ImageHash, IterationNo, SessionId};

/// The page that shows a calibration inside a client.
pub const APP: &str = "ui://calibrator/page.html";

const SCHEME: &str = "calibrator://";

/// What an address stands for. Whether it exists is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The list of sessions.
    Sessions,
    /// A session's trend.
    Session(SessionId),
    /// A session as one page.
    Report(SessionId),
    /// An iteration in full.
    Iteration(SessionId, IterationNo),
    /// An iteration's workflow, in ComfyUI's API format.
    Workflow(SessionId, IterationNo),
    /// A picture's file.
    Picture(ImageHash),
    /// A small copy of a picture.
    Preview(ImageHash),
    /// A rubric that ships with the program.
    Rubric(String),
    /// The page.
    App,
}

/// An address that stands for nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is none of this server's addresses")]
pub struct Unknown;

impl FromStr for Address {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        if text == APP {
            return Ok(Self::App);
        }
        let path = text.strip_prefix(SCHEME).ok_or(Unknown)?;
        let parts: Vec<&str> = path.split('/').collect();
        let session = |id: &str| id.parse().map_err(|_| Unknown);
        let number = |n: &str| n.parse().ok().and_then(|n| IterationNo::new(n).ok()).ok_or(Unknown);
        let hash = |hash: &str| hash.parse().map_err(|_| Unknown);
        Ok(match parts[..] {
            ["sessions"] => Self::Sessions,
            ["sessions", id] => Self::Session(session(id)?),
            ["sessions", id, "report"] => Self::Report(session(id)?),
            ["sessions", id, "iterations", n] => Self::Iteration(session(id)?, number(n)?),
            ["sessions", id, "iterations", n, "workflow"] => Self::Workflow(session(id)?, number(n)?),
            ["pictures", sha256] => Self::Picture(hash(sha256)?),
            ["pictures", sha256, "preview"] => Self::Preview(hash(sha256)?),
            ["rubrics", name] if BUILTIN_NAMES.contains(&name) => Self::Rubric(name.to_owned()),
            _ => return Err(Unknown),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sessions => write!(f, "{SCHEME}sessions"),
            Self::Session(id) => write!(f, "{SCHEME}sessions/{id}"),
            Self::Report(id) => write!(f, "{SCHEME}sessions/{id}/report"),
            Self::Iteration(id, n) => write!(f, "{SCHEME}sessions/{id}/iterations/{n}"),
            Self::Workflow(id, n) => write!(f, "{SCHEME}sessions/{id}/iterations/{n}/workflow"),
            Self::Picture(hash) => write!(f, "{SCHEME}pictures/{hash}"),
            Self::Preview(hash) => write!(f, "{SCHEME}pictures/{hash}/preview"),
            Self::Rubric(name) => write!(f, "{SCHEME}rubrics/{name}"),
            Self::App => f.write_str(APP),
        }
    }
}

/// A pattern of addresses: its template (RFC 6570), a title, the media type, and what is there.
pub struct Pattern {
    /// With the parts to fill in, in braces.
    pub template: &'static str,
    /// A short name.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What is read there.
    pub media_type: &'static str,
    /// In a sentence.
    pub description: &'static str,
}

/// All patterns.
pub const PATTERNS: [Pattern; 8] = [
    Pattern {
        template: "calibrator://sessions/{session}",
        name: "session",
        title: "A session's trend",
        media_type: "application/json",
        description: "Scores and decisions of the newest iterations, as get_history gives them. Can be subscribed to.",
    },
    Pattern {
        template: "calibrator://sessions/{session}/report",
        name: "report",
        title: "A session as one page",
        media_type: "text/html",
        description: "Everything that was tried, with previews, in one HTML file (as a blob) that loads nothing.",
    },
    Pattern {
        template: "calibrator://sessions/{session}/iterations/{iteration}",
        name: "iteration",
        title: "An iteration in full",
        media_type: "application/json",
        description: "Prompt, changes, runs, judgements and decisions, as get_history gives them.",
    },
    Pattern {
        template: "calibrator://sessions/{session}/iterations/{iteration}/workflow",
        name: "workflow",
        title: "An iteration's workflow",
        media_type: "application/json",
        description: "What goes to ComfyUI, in its API format; each run writes its own seed into it.",
    },
    Pattern {
        template: "calibrator://pictures/{sha256}",
        name: "picture",
        title: "A picture's file",
        media_type: "image/*",
        description: "A reference or generated picture, as it is; its file name is its hash.",
    },
    Pattern {
        template: "calibrator://pictures/{sha256}/preview",
        name: "preview",
        title: "A small copy of a picture",
        media_type: "image/jpeg",
        description: "At most 768 pixels a side.",
    },
    Pattern {
        template: "calibrator://rubrics/{rubric}",
        name: "rubric",
        title: "A rubric",
        media_type: "application/toml",
        description: "The axes that the judge compares on; a start for one's own.",
    },
    Pattern {
        template: "calibrator://sessions",
        name: "sessions",
        title: "Sessions",
        media_type: "application/json",
        description: "The newest sessions, as get_history lists them.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let (id, n) = (SessionId::random(), IterationNo::new(12).unwrap());
        let hash = ImageHash::of(b"a picture");
        let all = [
            Address::Sessions,
            Address::Session(id.clone()),
            Address::Report(id.clone()),
            Address::Iteration(id.clone(), n),
            Address::Workflow(id, n),
            Address::Picture(hash),
            Address::Preview(hash),
            Address::Rubric("default".into()),
            Address::App,
        ];
        for address in all {
            assert_eq!(address.to_string().parse(), Ok(address.clone()), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_taken_for_one() {
        for text in [
            "",
            "calibrator://",
            "calibrator://sessions/",
            "calibrator://sessions/../../etc/passwd",
            "calibrator://sessions/amber-otter-1/iterations/0",
            "calibrator://sessions/amber-otter-1/iterations/-1",
            "calibrator://sessions/amber-otter-1/iterations/99999999999999999999",
            "calibrator://pictures/..",
            "calibrator://pictures/abc",
            "calibrator://rubrics/../default",
            "file:///etc/passwd",
            "ui://calibrator/other.html",
        ] {
            assert_eq!(text.parse::<Address>(), Err(Unknown), "{text}");
        }
    }
}
