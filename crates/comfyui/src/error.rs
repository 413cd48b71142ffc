//! What can go wrong between us and a ComfyUI server, told so that the reader knows the state things are in.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use super::tls::{BadCertificate, CERTIFICATES};
use text::Foreign;

/// A failed exchange with ComfyUI, or a run that ended without a result.
///
/// `Display` says what failed and what state things are in; [`ComfyError::hint`] says what to do next.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ComfyError {
    /// The client's own settings cannot work; nothing was sent.
    #[error("the ComfyUI address or credentials cannot be used: {detail}")]
    Config {
        /// Which setting and why.
        detail: String,
    },
    /// The server's certificate is not to be trusted as far as this machine knows; nothing was sent.
    #[error("ComfyUI at {url} cannot be reached safely: {why}")]
    Certificate {
        /// Base address of the server.
        url: String,
        /// What is wrong with the certificate.
        why: BadCertificate,
    },
    /// The user's own file of certificates cannot be used; nothing was sent.
    #[error("{} names {}, which {reason}; without it no certificate of ComfyUI's can be checked", CERTIFICATES, path.display())]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection could be made, or the server stayed away longer than the grace period.
    #[error("ComfyUI at {url} cannot be reached: {detail}")]
    Unreachable {
        /// Base address of the server.
        url: String,
        /// The reason, and what is known of a run that was under way.
        detail: String,
    },
    /// The connection broke after the request may already have been acted on.
    #[error("the connection to ComfyUI broke during {request}: {detail}; whether the server acted on it is not known")]
    Broken {
        /// Method and path.
        request: String,
        /// The transport's reason.
        detail: String,
    },
    /// The server answered with a status that is not success.
    #[error("ComfyUI answered {request} with status {status}{}", detail_suffix(.body))]
    Http {
        /// Method and path.
        request: String,
        /// HTTP status code.
        status: u16,
        /// The beginning of the body; often empty.
        body: String,
    },
    /// The server refused the graph, or accepted only a part of it (the job was then cancelled).
    #[error("ComfyUI did not accept the graph: {}", join(.problems))]
    Validation {
        /// Every problem, node by node; never empty.
        problems: Vec<NodeProblem>,
    },
    /// A node raised while the graph was running.
    #[error("node {} failed while running: {:#}: {}", name(.node_id, .class, .title), Foreign(.exception_type), Foreign(.message))]
    NodeFailed {
        /// Id of the node in the graph.
        node_id: String,
        /// Its class.
        class: String,
        /// Its title in the graph, if it has one.
        title: Option<String>,
        /// What the node said, shortened.
        message: String,
        /// Python's name of the exception, such as `ValueError`.
        exception_type: String,
        /// The device ran out of memory.
        out_of_memory: bool,
    },
    /// A run that is over without success, and whose record gives no reason.
    #[error("run {prompt_id} is over without a result: its record says {said:?} and gives no reason")]
    Unexplained {
        /// The run.
        prompt_id: Uuid,
        /// ComfyUI's word for how it ended.
        said: String,
    },
    /// The run was stopped on request: by us, or by somebody at the ComfyUI page.
    #[error("run {prompt_id} was interrupted{}; it has no result", at_node(.node_id))]
    Interrupted {
        /// The run.
        prompt_id: Uuid,
        /// The node that was running; `None` when the run had not started.
        node_id: Option<String>,
    },
    /// An accepted run is neither in the queue nor in the history.
    #[error("run {prompt_id} is lost: ComfyUI at {url} has it neither in its queue nor in its history{}", if *.waited { ", and it was waiting there" } else { "" })]
    Lost {
        /// The run.
        prompt_id: Uuid,
        /// Base address of the server.
        url: String,
        /// It was last seen waiting in the queue, from where a person can remove it.
        waited: bool,
    },
    /// An answer did not come in time.
    #[error("{what} took longer than {:.1} s", .limit.as_secs_f64())]
    Timeout {
        /// What was waited for, and the state things are in.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// An answer or an image is larger than the limit; reading stopped there.
    #[error("{what} is larger than the limit of {limit} bytes; reading stopped")]
    TooLarge {
        /// What was read.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// An answer in JSON has more bytes or more values than are read.
    #[error("{what} is larger than is read ({limit}); it was not used")]
    TooMuchJson {
        /// Which answer.
        what: String,
        /// The limit in words.
        limit: String,
    },
    /// The server answered something that its API does not say, or cut the answer short.
    #[error("{what} cannot be understood: {detail}")]
    BadAnswer {
        /// Which answer.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// `/view` has no such file.
    #[error("{}", gone(.filename, *.cached))]
    ImageGone {
        /// Name of the file.
        filename: String,
        /// The run was served from ComfyUI's cache, which names a file of an earlier run.
        cached: bool,
    },
}

impl ComfyError {
    /// What to do next, in one or two sentences.
    pub fn hint(&self) -> String {
        match self {
            Self::Config { .. } => "Correct the ComfyUI address (http:// or https://) or its credentials in the configuration.".into(),
            Self::Unreachable { url, .. } => format!(
                "Check that ComfyUI is running and that {url} opens in a browser, then call again: a run that ComfyUI still has is found, and not started twice."
            ),
            Self::Certificate { why, .. } => why.hint(),
            Self::CertificateFile { .. } => format!(
                "Name a PEM file (one with BEGIN CERTIFICATE) in the environment variable {CERTIFICATES}, or unset it: then the system's certificates count."
            ),
            Self::Broken { .. } => "Call again: a run that may have been queued is looked up first, and is not started twice.".into(),
            Self::Http { status: 400, body, .. } if body.contains("HTTPS") => {
                "The port speaks HTTPS: write https:// instead of http:// in the ComfyUI address.".into()
            }
            Self::Http { status: 401, .. } => {
                "A proxy in front of ComfyUI asks for credentials, or does not take those it got: set PROMPT_CALIBRATOR_COMFYUI_TOKEN (a bearer token), or PROMPT_CALIBRATOR_COMFYUI_USER and PROMPT_CALIBRATOR_COMFYUI_PASSWORD, in the environment of this server.".into()
            }
            Self::Http { status: 403, request, .. } if request.starts_with("POST ") => {
                "Reading is allowed and posting is not: that is ComfyUI's check of Host and Origin, or a rule of a proxy, and no matter of credentials. Use the very address that ComfyUI listens at, let the proxy pass its Host on and take the Origin out, or start ComfyUI with --enable-cors-header.".into()
            }
            Self::Http { status: 403, .. } => {
                "A proxy in front of ComfyUI, or ComfyUI's check of Host and Origin, forbids this: use the very address that ComfyUI listens at; credentials for a proxy are PROMPT_CALIBRATOR_COMFYUI_TOKEN, or PROMPT_CALIBRATOR_COMFYUI_USER and PROMPT_CALIBRATOR_COMFYUI_PASSWORD.".into()
            }
            Self::Http { status: 300..=399, .. } => {
                "The address redirects elsewhere (a login page, or http to https): configure the final address.".into()
            }
            Self::Http { status: 404, .. } => "The address or its path prefix is wrong, or another program answers there: ComfyUI has this route everywhere. Set the address with which its page opens in a browser.".into(),
            Self::Http { status: 502..=504, .. } => "The proxy in front of ComfyUI gets no answer from it: check that ComfyUI itself runs, then call again.".into(),
            Self::Http { status: 413, .. } => "The request is larger than ComfyUI's limit of 100 MB: use a smaller image.".into(),
            Self::Http { status: 500, .. } => {
                "Send the graph in API format (File > Export (API)); ComfyUI's own console has the reason of an internal error.".into()
            }
            Self::Http { .. } => "ComfyUI's console, or the proxy in front of it, has the reason.".into(),
            Self::Validation { problems } => {
                let mut remedies: Vec<&str> = Vec::new();
                for problem in problems {
                    if !remedies.contains(&problem.remedy.as_str()) {
                        remedies.push(&problem.remedy);
                    }
                }
                remedies.join(" ")
            }
            Self::NodeFailed { out_of_memory: true, .. } => {
                "The GPU ran out of memory: free memory (unload models), lower the resolution or batch size, or stop other programs on the GPU; then queue again.".into()
            }
            Self::NodeFailed { exception_type, .. } if exception_type.ends_with("DependencyCycleError") => {
                "Nodes of this workflow wait for each other in a circle: cut one of the wires, or give the loop its end node, and export the workflow again.".into()
            }
            Self::NodeFailed { .. } => "Correct that node's inputs or its model files; queueing the same graph again would fail the same way.".into(),
            Self::Unexplained { .. } => "ComfyUI's console has the reason; call again to render anew.".into(),
            Self::Interrupted { .. } => "Ask the user before rendering it again, unless it was stopped by this server.".into(),
            Self::Lost { waited: true, .. } => {
                "Somebody removed it from the queue at ComfyUI's page, or ComfyUI was restarted: ask the user whether it is still wanted before rendering it again.".into()
            }
            Self::Lost { .. } => {
                "ComfyUI was restarted (its queue and history live in memory only): calling again looks once more, and then renders anew.".into()
            }
            Self::Timeout { .. } => "The server may be busy loading a model: call again later. A run that ComfyUI has is found, and not started twice.".into(),
            Self::TooLarge { what, .. } if what.contains("/view") => "Make the image smaller; the limit cannot be changed.".into(),
            Self::TooLarge { what, .. } | Self::TooMuchJson { what, .. } if is_of_runs(what) => {
                "Check that the address is a ComfyUI server. If it is one, clear its queue and history (or restart it) and ask again; the limit cannot be changed.".into()
            }
            Self::TooLarge { .. } | Self::TooMuchJson { .. } => {
                "Check that the address is a ComfyUI server: its own answers are smaller. If it is one, a custom node makes this one so large: update it or take it out; the limit cannot be changed.".into()
            }
            Self::BadAnswer { .. } => "Check that the address is a ComfyUI server and not another program or a login page.".into(),
            Self::ImageGone { cached: true, .. } => {
                "Change the seed (or any input) so that ComfyUI renders afresh, or restart ComfyUI, which empties its cache; then run it again.".into()
            }
            Self::ImageGone { .. } => "The file was deleted or, if it was a temporary preview, ComfyUI was restarted: run it again.".into(),
        }
    }

    /// The same error with a remark on the state things are in.
    pub(super) fn with_state(self, state: &str) -> Self {
        match self {
            Self::Timeout { what, limit } => Self::Timeout {
                what: format!("{what} ({state})"),
                limit,
            },
            Self::Broken { request, detail } => Self::Broken {
                request,
                detail: format!("{detail} ({state})"),
            },
            Self::BadAnswer { what, detail } => Self::BadAnswer {
                what,
                detail: format!("{detail} ({state})"),
            },
            Self::Http { request, status, body } => Self::Http {
                request: format!("{request} ({state})"),
                status,
                body,
            },
            other => other,
        }
    }

    /// True when the connection failed and not the work: the run may still be there, and asking again may succeed.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::TooMuchJson { .. } => false,
            Self::Unreachable { .. } => true,
            other => other.is_uncertain(),
        }
    }

    /// True when something answered, or refused to, and not as ComfyUI does: waiting a little does not help as it may with silence.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self, Self::Broken { .. } | Self::Timeout { .. })
    }

    /// True when the failure says nothing about what the server did with the request, so that it must be looked up.
    pub fn is_uncertain(&self) -> bool {
        matches!(
            self,
            Self::Broken { .. }
                | Self::Timeout { .. }
                | Self::BadAnswer { .. }
                | Self::TooLarge { .. }
                | Self::TooMuchJson { .. }
                | Self::Http { status: 502..=504, .. }
        )
    }
}

types::hints!(ComfyError);

/// One reason why ComfyUI did not accept a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeProblem {
    /// Id of the node; `None` when the graph as a whole is at fault.
    pub node_id: Option<String>,
    /// Class of the node.
    pub class: Option<String>,
    /// Title of the node in the graph.
    pub title: Option<String>,
    /// Name of the input at fault.
    pub input: Option<String>,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// ComfyUI's words with its details, shortened.
    pub message: String,
    /// What to change.
    pub remedy: String,
}

impl fmt::Display for NodeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of_nodes(self.node().as_slice()))
    }
}

impl NodeProblem {
    /// Its node in words.
    fn node(&self) -> Option<String> {
        let class = self.class.as_deref().unwrap_or("unknown class");
        Some(format!("node {}", name(self.node_id.as_ref()?, class, &self.title)))
    }

    /// The problem as one of these nodes, which are in words already.
    fn of_nodes(&self, nodes: &[String]) -> String {
        /// Nodes that a sentence names.
        const NAMED: usize = 12;
        let message = Foreign(&self.message);
        let mut named = nodes[..nodes.len().min(NAMED)].join(", ");
        if nodes.len() > NAMED {
            named.push_str(&format!(", {} more", nodes.len() - NAMED));
        }
        match &self.input {
            _ if nodes.is_empty() => message.to_string(),
            Some(input) => format!("{named} input {:#}: {message}", Foreign(input)),
            None => format!("{named}: {message}"),
        }
    }
}

/// The kinds of problem that ComfyUI's validation tells apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// A required input is absent.
    RequiredInputMissing,
    /// A link is not `[node id, slot]`, or points at nothing.
    BadLink,
    /// A link carries another type than the input takes.
    TypeMismatch,
    /// A number lies below the input's minimum.
    TooSmall,
    /// A number lies above the input's maximum.
    TooBig,
    /// A value cannot be converted to the input's type.
    WrongType,
    /// What a dynamic input holds does not fit the option that is chosen in it.
    BadDynamicInput,
    /// The check of a node itself raised.
    CheckFailed,
    /// A choice is not among those offered, such as an unknown checkpoint.
    NotInList,
    /// The node's own check refused a value, such as a missing image file.
    Refused,
    /// Nodes depend on each other in a circle.
    Cycle,
    /// The server has no such node class.
    UnknownClass,
    /// The graph has no node that saves or shows anything.
    NoOutputs,
    /// A kind this version does not know, under ComfyUI's name.
    Other(String),
}

/// `4 (KSampler "base pass")`.
fn name(id: &str, class: &str, title: &Option<String>) -> String {
    let (id, class) = (Foreign(id), Foreign(class));
    match title {
        Some(title) if title != class.0 => format!("{id:#} ({class:#} {})", Foreign(title)),
        _ => format!("{id:#} ({class:#})"),
    }
}

fn at_node(node: &Option<String>) -> String {
    node.as_ref().map_or_else(
        || " before it started".into(),
        |id| format!(" at node {:#}", Foreign(id)),
    )
}

/// Whether an answer grows with the runs that a server remembers.
fn is_of_runs(what: &str) -> bool {
    ["/queue", "/history"].iter().any(|path| what.contains(path))
}

fn detail_suffix(body: &str) -> String {
    if body.is_empty() {
        String::new()
    } else {
        format!(": {}", Foreign(body))
    }
}

/// Each problem; what several nodes share, such as a file that is missing, once.
fn join(problems: &[NodeProblem]) -> String {
    let mut places = HashMap::new();
    let mut groups: Vec<(&NodeProblem, Vec<String>)> = Vec::new();
    for problem in problems {
        let common = (&problem.kind, &problem.input, &problem.message);
        let place = *places.entry(common).or_insert_with(|| {
            groups.push((problem, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.extend(problem.node());
    }
    let told: Vec<String> = groups.iter().map(|(problem, nodes)| problem.of_nodes(nodes)).collect();
    told.join("; ")
}

fn gone(filename: &str, cached: bool) -> String {
    let filename = Foreign(filename);
    if cached {
        format!(
            "the file of the cached result is gone: ComfyUI rendered nothing new and named {filename:#} of an earlier run, which no longer exists"
        )
    } else {
        format!("ComfyUI no longer has the image {filename:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grows_with_the_runs_is_to_be_cleared() {
        let clear = |what: &str| {
            let (what, limit) = (format!("the answer to {what}"), "8 values".to_owned());
            let error = ComfyError::TooMuchJson { what, limit };
            error.hint().contains("clear its queue and history")
        };
        for what in ["GET /queue", "GET /history", "GET /history/7f6d"] {
            assert!(clear(what), "{what}");
        }
        for what in [
            "GET /object_info/KSampler",
            "POST /prompt",
            "GET /system_stats",
            "POST /upload/image",
        ] {
            assert!(!clear(what), "{what}");
        }
    }

    #[test]
    fn what_several_nodes_share_is_told_once() {
        let problem = |id: Option<&str>, title: &str, message: &str| NodeProblem {
            node_id: id.map(str::to_owned),
            class: Some("LoadImage".into()),
            title: Some(title.into()),
            input: id.map(|_| "image".into()),
            kind: ProblemKind::Refused,
            message: message.into(),
            remedy: String::new(),
        };
        let error = ComfyError::Validation {
            problems: vec![
                problem(Some("3"), "Style", "no such file"),
                problem(Some("5"), "Other", "too large"),
                problem(Some("4"), "LoadImage", "no such file"),
                problem(None, "", "refused"),
            ],
        };
        assert_eq!(
            error.to_string(),
            "ComfyUI did not accept the graph: node 3 (LoadImage \"Style\"), node 4 (LoadImage) input image: \"no such file\"; \
             node 5 (LoadImage \"Other\") input image: \"too large\"; \"refused\""
        );
    }

    #[test]
    fn only_a_picture_is_to_be_made_smaller() {
        let hint = |what: &str| {
            let (what, limit) = (what.to_owned(), 1);
            ComfyError::TooLarge { what, limit }.hint()
        };
        assert!(hint("the answer to GET /view").contains("image smaller"));
        for other in ["the answer to GET /history", "the answer to GET /queue"] {
            assert!(
                !hint(other).contains("image") && hint(other).contains("history"),
                "{other}"
            );
        }
    }
}
