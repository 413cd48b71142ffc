//! Prompts, and completions of their arguments.

use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, Prompt, PromptArgument, PromptMessage, Reference, ResourceContents, Role,
};

use super::input_required::{accepted, ask, form};
use super::{Context, broken, png};

const WITH_ARGUMENTS: &str = "test_prompt_with_arguments";

pub fn list() -> Vec<Prompt> {
    let prompt = |name, description: &str, arguments: &[&str]| {
        let arguments = arguments
            .iter()
            .map(|name| PromptArgument::new(*name).with_required(true))
            .collect::<Vec<_>>();
        Prompt::new(name, Some(description), (!arguments.is_empty()).then_some(arguments))
    };
    vec![
        prompt("test_simple_prompt", "A sentence", &[]),
        prompt(WITH_ARGUMENTS, "Says its two arguments", &["arg1", "arg2"]),
        prompt(
            "test_prompt_with_embedded_resource",
            "Carries a resource",
            &["resourceUri"],
        ),
        prompt("test_prompt_with_image", "Carries a picture", &[]),
        prompt("test_input_required_result_prompt", "Asks before it says anything", &[]),
    ]
}

pub fn get(request: &GetPromptRequestParams, context: &Context) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| {
        let arguments = request.arguments.as_ref();
        arguments
            .and_then(|arguments| arguments.get(name)?.as_str())
            .ok_or_else(|| ErrorData::invalid_params(format!("the argument {name} is missing"), None))
    };
    let contents = match request.name.as_str() {
        "test_simple_prompt" => vec![ContentBlock::text("A simple prompt.")],
        WITH_ARGUMENTS => {
            let text = format!("arg1 is {:?}, arg2 is {:?}.", argument("arg1")?, argument("arg2")?);
            vec![ContentBlock::text(text)]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = ResourceContents::text("What the resource says.", argument("resourceUri")?);
            vec![
                ContentBlock::resource(resource),
                ContentBlock::text("Read the resource above."),
            ]
        }
        "test_prompt_with_image" => vec![
            ContentBlock::image(png()?, "image/png"),
            ContentBlock::text("Look at the picture above."),
        ],
        "test_input_required_result_prompt" => {
            let Some(about) = accepted(request.input_responses.as_ref(), "user_context", "context") else {
                let question = form("What is the prompt about?", "context", "string");
                return Ok(ask(context, [("user_context", question)], None)?.into());
            };
            vec![ContentBlock::text(format!("A prompt about {about}."))]
        }
        other => return Err(ErrorData::invalid_params(format!("no prompt {other}"), None)),
    };
    let messages = contents
        .into_iter()
        .map(|content| PromptMessage::new(Role::User, content))
        .collect();
    Ok(GetPromptResult::new(messages).into())
}

/// Offers values for the prompt with arguments; nothing for anything else.
pub fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let known = match &request.r#ref {
        Reference::Prompt(prompt) if prompt.name == WITH_ARGUMENTS => ["test one", "test two"].as_slice(),
        _ => &[],
    };
    let fitting = known.iter().filter(|value| value.starts_with(&request.argument.value));
    let values = fitting.map(|value| (*value).to_owned()).collect();
    Ok(CompleteResult::new(
        CompletionInfo::with_all_values(values).map_err(broken)?,
    ))
}
