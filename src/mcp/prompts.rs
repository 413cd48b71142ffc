//! The prompt `calibrate`: the policy of a calibration, with what the user gave filled in.

use rmcp::model::{
    ErrorData, GetPromptRequestParams, GetPromptResult, ListPromptsResult, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::{Map, Value};

use crate::session::{DEFAULT_MAX_ITERATIONS, DEFAULT_TARGET};
use text::shortened;

/// The prompt's name.
pub const CALIBRATE: &str = "calibrate";

/// All prompts: one.
pub fn list() -> ListPromptsResult {
    let arguments = vec![
        PromptArgument::new("reference")
            .with_title("Reference")
            .with_description("Path of the picture whose look is to be reached")
            .with_required(true),
        PromptArgument::new("workflow")
            .with_title("Workflow")
            .with_description(
                "Path of a workflow (API format, or a PNG that ComfyUI saved); \"last\", the newest run, unless given",
            )
            .with_required(false),
        PromptArgument::new("target_score")
            .with_title("Target")
            .with_description("Overall score to reach, 0 to 1; 0.85 unless given")
            .with_required(false),
    ];
    let prompt = Prompt::new(
        CALIBRATE,
        Some("Calibrate a ComfyUI prompt until its pictures look like the reference"),
        Some(arguments),
    );
    ListPromptsResult::with_all_items(vec![prompt.with_title("Calibrate a prompt")])
}

/// The prompt's text.
///
/// # Errors
/// -32602 for another prompt, a missing reference, or a target that is no number from 0 to 1.
pub fn get(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != CALIBRATE {
        let name = shortened(&request.name, 80);
        let told = format!("there is no prompt {name:?}; there is \"{CALIBRATE}\"");
        return Err(ErrorData::invalid_params(told, None));
    }
    let arguments = request.arguments.clone().unwrap_or_default();
    let reference = given(&arguments, "reference").ok_or_else(|| {
        ErrorData::invalid_params(
            "`reference` is missing: the path of the picture whose look is to be reached",
            None,
        )
    })?;
    let workflow = given(&arguments, "workflow").unwrap_or_else(|| "last".to_owned());
    let target = match given(&arguments, "target_score") {
        None => DEFAULT_TARGET,
        Some(text) => text.parse().ok().filter(|t| (0.0..=1.0).contains(t)).ok_or_else(|| {
            let text = shortened(&text, 80);
            let told = format!("`target_score` is {text:?}, which is no number from 0 to 1, such as 0.85");
            ErrorData::invalid_params(told, None)
        })?,
    };
    let message = PromptMessage::new_text(Role::User, text(&reference, &workflow, target));
    Ok(GetPromptResult::new(vec![message]).with_description("A calibration, step by step"))
}

fn given(arguments: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match arguments.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => return None,
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// The paths are quoted as JSON, so that a name with odd characters stays one argument.
fn text(reference: &str, workflow: &str, target: f64) -> String {
    let (reference, workflow) = (Value::from(reference), Value::from(workflow));
    // Only inject_prompt takes a target.
    let open = if (target - DEFAULT_TARGET).abs() < 1e-9 {
        "queue_generation with workflow, reference, positive, seeds [1, 2] and judge: true opens the session."
            .to_owned()
    } else {
        format!(
            "inject_prompt with workflow, reference, positive and target_score: {target} opens the session with a draft; \
             queue_generation with session, seeds [1, 2] and judge: true runs it."
        )
    };
    format!(
        "Calibrate a prompt with the tools of prompt-calibrator.\n\
         reference: {reference}\nworkflow: {workflow}\ntarget score: {target}, within {DEFAULT_MAX_ITERATIONS} iterations\n\n\
         1. judge_pair with the reference alone. Read what it shows and write one prompt that says it, the most telling axes \
         first. Leave out what it calls not visible.\n\
         2. {open} If it asks where the prompt goes, ask me, or choose the node that plainly is the prompt, and call again with \
         `place`.\n\
         3. Then, until the target is confirmed, the iterations are used up, or advice says stop:\n   \
         - get_history with the session and advice: true says which axis to change, what was tried on it, and which iteration to start from.\n   \
         - Change the words of one or two axes only, towards `ref`. Leave the rest as it is. Say in `note` what and why. Say a thing \
         in other words when it was tried; say it earlier in the prompt or twice before inventing; remove what contradicts it.\n   \
         - queue_generation with session, positive, note, the same seeds and judge: true. One call is one iteration. If it answers \
         `running`, call it again with only session and iteration.\n   \
         - Follow `decision`: after keep go on from it; after revert the best is the parent again, do not argue with it; at \
         more_seeds run the seeds that the summary names before anything else. Look at an ALARM first.\n   \
         - When words do not move an axis in three tries, change a knob (steps, cfg, sampler, a LoRA's strength), or leave it.\n\
         4. A target is reached when fresh seeds confirm it; the summary says which to run.\n\
         5. Tell me: the best iteration, its prompt and score with the interval, what moved it, what stayed apart from the \
         reference, and where the pictures are. Do not claim more than the scores say.\n\n\
         Look at the pictures (images: true) at the beginning, when a score surprises you, and at the end; not every time."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(arguments: Value) -> Result<String, ErrorData> {
        let mut request = GetPromptRequestParams::new(CALIBRATE);
        request.arguments = arguments.as_object().cloned();
        let result = get(&request)?;
        Ok(serde_json::to_value(&result.messages[0].content).unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned())
    }

    #[test]
    fn the_prompt_holds_what_was_given_and_says_what_is_missing() {
        let text = asked(json!({"reference": "/a \"b\".png", "target_score": "0.9"})).unwrap();
        assert!(text.contains(r#"reference: "/a \"b\".png""#), "{text}");
        assert!(
            text.contains("workflow: \"last\"") && text.contains("target score: 0.9,"),
            "{text}"
        );
        assert!(text.len() < 3_000, "{} bytes", text.len());
        for (wrong, named) in [
            (json!({}), "reference"),
            (json!({"reference": "  "}), "reference"),
            (json!({"reference": "a", "target_score": "1.5"}), "target_score"),
            (json!({"reference": "a", "target_score": "much"}), "target_score"),
        ] {
            let error = asked(wrong).unwrap_err();
            assert!(error.message.contains(named), "{}", error.message);
        }
        assert!(get(&GetPromptRequestParams::new("other")).is_err());
    }

    #[test]
    fn a_number_is_a_target_too() {
        assert!(
            asked(json!({"reference": "a", "target_score": 0.7}))
                .unwrap()
                .contains("target score: 0.7,")
        );
    }
}
