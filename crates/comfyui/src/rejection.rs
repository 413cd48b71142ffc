//! Turns ComfyUI's refusal of a graph into a list of problems with remedies. Pure.

use serde_json::Value;

use super::error::{NodeProblem, ProblemKind};
use text::Foreign;
use text::secrets::Secrets;

/// Longest message kept of a server, in characters: a refused choice may list thousands of files.
const MESSAGE_CHARS: usize = 400;

/// Reads a `POST /prompt` answer (`{error, node_errors}`) against the graph that was sent.
///
/// Empty when the answer names no problem. Node problems come before the general one, which is left out when nodes
/// say more.
pub fn problems(answer: &Value, graph: &Value) -> Vec<NodeProblem> {
    let mut found: Vec<NodeProblem> = answer
        .get("node_errors")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .flat_map(|(id, node)| node_problems(id, node, graph))
        .collect();
    if found.is_empty()
        && let Some(error) = answer.get("error")
    {
        found.extend(general_problem(error, graph));
    }
    // ComfyUI and its nodes repeat what they were given.
    let secrets = Secrets::of(graph);
    for problem in &mut found {
        problem.message = secrets.masked(&problem.message);
    }
    found
}

/// Title of a node in an API-format graph.
pub fn title_of(graph: &Value, node_id: &str) -> Option<String> {
    let title = graph.get(node_id)?.get("_meta")?.get("title")?.as_str()?.trim();
    (!title.is_empty()).then(|| shorten(title))
}

/// Class of a node in an API-format graph.
pub fn class_of(graph: &Value, node_id: &str) -> Option<String> {
    Some(shorten(graph.get(node_id)?.get("class_type")?.as_str()?))
}

/// The text without surrounding space, cut after [`MESSAGE_CHARS`] characters.
pub fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a server said in the body of an answer: of a web page its title.
pub fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if !text.trim_start().starts_with('<') {
        return shorten(&text);
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let from = at + text.get(at..)?.find('>')? + 1;
        text.get(from..from + lower.get(from..)?.find("</title")?)
    });
    match title.map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => format!("a web page titled {}", Foreign(&shorten(title))),
        None => "a web page".to_owned(),
    }
}

fn node_problems(id: &str, node: &Value, graph: &Value) -> Vec<NodeProblem> {
    let class = text(node, "class_type").map(shorten).or_else(|| class_of(graph, id));
    let errors = node
        .get("errors")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let problem = |kind: ProblemKind, input: Option<String>, message: String| NodeProblem {
        node_id: Some(id.to_owned()),
        class: class.clone(),
        title: title_of(graph, id),
        remedy: remedy(&kind, input.as_deref()),
        input,
        kind,
        message,
    };
    if errors.is_empty() {
        let kind = ProblemKind::Other("unexplained".into());
        return vec![problem(kind, None, "refused without a reason".into())];
    }
    errors
        .iter()
        .map(|error| {
            let input = error
                .pointer("/extra_info/input_name")
                .and_then(Value::as_str)
                .map(shorten);
            problem(
                kind_of(text(error, "type").unwrap_or("unknown")),
                input,
                message_of(error),
            )
        })
        .collect()
}

fn general_problem(error: &Value, graph: &Value) -> Option<NodeProblem> {
    if let Some(plain) = error.as_str() {
        let kind = ProblemKind::Other("error".into());
        let remedy = remedy(&kind, None);
        return Some(NodeProblem {
            node_id: None,
            class: None,
            title: None,
            input: None,
            kind,
            message: shorten(plain),
            remedy,
        });
    }
    let name = text(error, "type")?;
    let info = error.get("extra_info");
    let of_node = |key: &str| info.and_then(|i| text(i, key)).map(shorten);
    // 0.3.64 reports an unknown class as `invalid_prompt`, with the id in the details only.
    let node_id = of_node("node_id").or_else(|| quoted_id(text(error, "details")?));
    let kind = kind_of(name);
    Some(NodeProblem {
        title: of_node("node_title").or_else(|| title_of(graph, node_id.as_deref()?)),
        class: of_node("class_type").or_else(|| class_of(graph, node_id.as_deref()?)),
        node_id,
        input: None,
        remedy: remedy(&kind, None),
        message: message_of(error),
        kind,
    })
}

fn message_of(error: &Value) -> String {
    let message = text(error, "message").unwrap_or("refused");
    match text(error, "details").map(str::trim) {
        Some(details) if !details.is_empty() && details != message => shorten(&format!("{message}: {details}")),
        _ => shorten(message),
    }
}

/// The id in `Node ID '#9'`.
fn quoted_id(details: &str) -> Option<String> {
    let id = details.strip_prefix("Node ID '#")?.strip_suffix('\'')?;
    Some(shorten(id))
}

fn kind_of(name: &str) -> ProblemKind {
    match name {
        "required_input_missing" => ProblemKind::RequiredInputMissing,
        "bad_linked_input" | "exception_during_inner_validation" => ProblemKind::BadLink,
        "return_type_mismatch" => ProblemKind::TypeMismatch,
        "value_smaller_than_min" => ProblemKind::TooSmall,
        "value_bigger_than_max" => ProblemKind::TooBig,
        "invalid_input_type" => ProblemKind::WrongType,
        "invalid_dynamic_input" => ProblemKind::BadDynamicInput,
        "exception_during_validation" => ProblemKind::CheckFailed,
        "value_not_in_list" => ProblemKind::NotInList,
        "custom_validation_failed" => ProblemKind::Refused,
        "dependency_cycle" => ProblemKind::Cycle,
        "missing_node_type" | "invalid_prompt" => ProblemKind::UnknownClass,
        "prompt_no_outputs" => ProblemKind::NoOutputs,
        other => ProblemKind::Other(shorten(other)),
    }
}

fn remedy(kind: &ProblemKind, input: Option<&str>) -> String {
    let input = input.map_or_else(|| "the input".to_owned(), |name| format!("`{name}`"));
    match kind {
        ProblemKind::RequiredInputMissing => format!("Give {input} a value or a link."),
        ProblemKind::BadLink => format!(
            "Make {input} and the links above it [node id as a string, output slot] of nodes that are in the graph."
        ),
        ProblemKind::TypeMismatch => format!("Link {input} to an output of the type it takes."),
        ProblemKind::TooSmall => format!("Raise {input} to its minimum or above."),
        ProblemKind::TooBig => format!("Lower {input} to its maximum or below."),
        ProblemKind::WrongType => format!("Give {input} a value of its own type."),
        ProblemKind::BadDynamicInput => format!(
            "Give {input} one of its options and the inputs that this option brings; opening the workflow in ComfyUI's page and exporting it again writes them."
        ),
        ProblemKind::CheckFailed => "The node could not check its inputs: give it values and links of the types it takes; a node that is broken or outdated fails like this too, and ComfyUI's console then has the reason.".into(),
        ProblemKind::NotInList => format!("Choose {input} from the values that this server offers."),
        ProblemKind::Refused => format!("Correct {input}; a named file must exist on the server."),
        ProblemKind::Cycle => "Remove one link of the circle.".into(),
        ProblemKind::UnknownClass => {
            "Install the custom node that provides this class, or take the node out of the workflow.".into()
        }
        ProblemKind::NoOutputs => "Add a node that saves or previews the image (SaveImage, PreviewImage).".into(),
        ProblemKind::Other(_) => {
            "Correct the workflow as ComfyUI says; opening it in ComfyUI's page shows the same message at the node."
                .into()
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_comfyui_refuses_since_it_has_dynamic_inputs_is_known() {
        let graph = json!({"3": {"class_type": "ResizeImage", "inputs": {}, "_meta": {"title": "Fit"}}});
        let answer = json!({"error": {"type": "prompt_outputs_failed_validation", "message": "no"}, "node_errors": {"3": {
            "class_type": "ResizeImage",
            "errors": [
                {"type": "invalid_dynamic_input", "message": "Invalid option", "details": "", "extra_info": {"input_name": "resize_type"}},
                {"type": "exception_during_validation", "message": "Exception when validating node", "details": "'width'", "extra_info": {}},
            ],
        }}});
        let found = problems(&answer, &graph);
        let kinds: Vec<&ProblemKind> = found.iter().map(|problem| &problem.kind).collect();
        assert_eq!(kinds, [&ProblemKind::BadDynamicInput, &ProblemKind::CheckFailed]);
        assert!(found[0].remedy.contains("`resize_type`"), "{}", found[0].remedy);
        assert!(found[1].to_string().contains("3 (ResizeImage \"Fit\")"), "{}", found[1]);
    }

    #[test]
    fn of_a_web_page_its_title_is_told() {
        for (body, expected) in [
            (
                "<!doctype html><html><head><TITLE lang=en> Sign in </TITLE>",
                "a web page titled \"Sign in\"",
            ),
            ("\n<html><body>Bad Gateway", "a web page"),
            ("<title>never closed", "a web page"),
            ("no such route", "no such route"),
        ] {
            assert_eq!(said(body.as_bytes()), expected);
        }
    }
}
