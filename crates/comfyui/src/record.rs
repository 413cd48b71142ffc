//! Reads the server's record of a finished run (`/history/{id}`). Pure.

use std::collections::HashSet;

use serde_json::Value;
use uuid::Uuid;

use super::error::ComfyError;
use super::images::{ImageKind, OutputImage, images_of};
use super::rejection::{class_of, shorten, title_of};
use text::secrets::Secrets;

/// Stands for the class of a node that an error does not name.
const UNKNOWN_CLASS: &str = "unknown class";

/// A run that ended with success.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The run.
    pub prompt_id: Uuid,
    /// Its images in the server's order: the saved ones, or the previews when nothing was saved. Empty when a node
    /// blocked the rest (see `blocked`) or the workflow puts out no image.
    pub images: Vec<OutputImage>,
    /// The previews beside saved images.
    pub previews: Vec<OutputImage>,
    /// All of it was served from the cache: no new file was written, and the names are those of an earlier run.
    pub cached: bool,
    /// The graph that the server ran, read back from its history.
    pub graph: Value,
    /// Seconds from start to end by the server's clock; `None` if the record does not say.
    pub seconds: Option<f64>,
    /// Nodes that were deliberately blocked (`ExecutionBlocked`); known only when the run was followed live.
    pub blocked: Vec<Blocked>,
}

/// A node that put nothing out because a node above it blocked the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The node.
    pub node_id: String,
    /// Its class.
    pub class: String,
    /// The reason given.
    pub message: String,
}

/// A node that raised, as `execution_error` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeFailure {
    pub(super) node_id: String,
    pub(super) class: String,
    pub(super) message: String,
    pub(super) exception_type: String,
}

impl NodeFailure {
    pub(super) fn from_json(data: &Value) -> Self {
        let text = |key: &str, otherwise: &str| {
            data.get(key)
                .and_then(Value::as_str)
                .map_or_else(|| otherwise.to_owned(), shorten)
        };
        Self {
            node_id: text("node_id", "?"),
            class: text("node_type", UNKNOWN_CLASS),
            message: text("exception_message", "no message"),
            exception_type: text("exception_type", "unknown exception"),
        }
    }

    /// A branch was blocked on purpose: the run goes on.
    pub(super) fn is_block(&self) -> bool {
        self.exception_type == "ExecutionBlocked"
    }

    fn out_of_memory(&self) -> bool {
        let said = self.message.to_ascii_lowercase();
        self.exception_type.contains("OutOfMemory")
            || said.contains("out of memory")
            || said.contains("allocation on device")
    }
}

/// What a record says: the result, or why there is none.
pub(super) fn verdict(prompt_id: Uuid, record: &Value) -> Result<Finished, ComfyError> {
    let graph = record.pointer("/prompt/2").cloned().unwrap_or(Value::Null);
    let status = record.get("status").unwrap_or(&Value::Null);
    let messages = Messages::of(status);
    if let Some(data) = messages.last("execution_interrupted") {
        let node_id = data.get("node_id").and_then(Value::as_str).map(str::to_owned);
        return Err(ComfyError::Interrupted { prompt_id, node_id });
    }
    let failure = messages
        .all("execution_error")
        .map(NodeFailure::from_json)
        .find(|failure| !failure.is_block());
    if let Some(failure) = failure {
        return Err(node_failed(failure, &graph));
    }
    let said = status.get("status_str").and_then(Value::as_str);
    if said.is_some_and(|word| word != "success") || status.get("completed") == Some(&Value::Bool(false)) {
        return Err(ComfyError::Unexplained {
            prompt_id,
            said: said.unwrap_or("not complete").to_owned(),
        });
    }
    let cached: HashSet<&str> = messages
        .last("execution_cached")
        .and_then(|data| data.get("nodes")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let (images, previews) = preferred_images(record.get("outputs").unwrap_or(&Value::Null), &cached);
    Ok(Finished {
        prompt_id,
        cached: if images.is_empty() {
            targets_cached(record, &cached)
        } else {
            images.iter().all(|image| image.cached)
        },
        images,
        previews,
        seconds: messages.seconds(),
        graph,
        blocked: Vec::new(),
    })
}

/// The saved images, or the previews when nothing was saved; and the previews beside saved images.
fn preferred_images(outputs: &Value, cached: &HashSet<&str>) -> (Vec<OutputImage>, Vec<OutputImage>) {
    let all = outputs
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(node, output)| images_of(node, output, cached.contains(node.as_str())));
    let shown = all.filter(|image| image.kind != ImageKind::Input);
    let (saved, previews): (Vec<_>, Vec<_>) = shown.partition(|image| image.kind == ImageKind::Output);
    if saved.is_empty() {
        (previews, Vec::new())
    } else {
        (saved, previews)
    }
}

/// Every node that had to be executed was served from the cache.
fn targets_cached(record: &Value, cached: &HashSet<&str>) -> bool {
    let targets = record
        .pointer("/prompt/4")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    !targets.is_empty()
        && targets
            .iter()
            .all(|node| node.as_str().is_some_and(|id| cached.contains(id)))
}

fn node_failed(failure: NodeFailure, graph: &Value) -> ComfyError {
    ComfyError::NodeFailed {
        title: title_of(graph, &failure.node_id),
        out_of_memory: failure.out_of_memory(),
        // Of a circle ComfyUI names the node alone.
        class: class_of(graph, &failure.node_id)
            .filter(|_| failure.class == UNKNOWN_CLASS)
            .unwrap_or(failure.class),
        node_id: failure.node_id,
        // A node may repeat what it was given.
        message: Secrets::of(graph).masked(&failure.message),
        exception_type: failure.exception_type,
    }
}

/// The `[[name, data], …]` of a record's status.
struct Messages<'a>(&'a [Value]);

impl<'a> Messages<'a> {
    fn of(status: &'a Value) -> Self {
        Self(
            status
                .get("messages")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default(),
        )
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        self.0
            .iter()
            .filter(move |message| message.get(0).and_then(Value::as_str) == Some(name))
            .filter_map(|message| message.get(1))
    }

    fn last(&self, name: &str) -> Option<&'a Value> {
        self.all(name).last()
    }

    fn seconds(&self) -> Option<f64> {
        let at = |name: &str| self.last(name)?.get("timestamp")?.as_f64();
        Some((at("execution_success")? - at("execution_start")?).max(0.0) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_circle_that_only_the_run_shows_is_told_with_its_node() {
        let data = json!({"node_id": "4", "exception_message": "Dependency cycle detected", "exception_type": "graph.DependencyCycleError"});
        let record = json!({
            "prompt": [1, "id", {"4": {"class_type": "ForLoop", "inputs": {}, "_meta": {"title": "Again"}}}],
            "outputs": {},
            "status": {"status_str": "error", "completed": false, "messages": [["execution_error", data]]},
        });
        let error = verdict(Uuid::nil(), &record).unwrap_err();
        assert!(error.to_string().contains("4 (ForLoop \"Again\")"), "{error}");
        assert!(error.hint().contains("circle"), "{}", error.hint());
    }
}
