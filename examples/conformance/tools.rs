//! Tools that answer at once: every kind of content, errors, progress, log lines, and questions in the way of older revisions.

use std::sync::{Arc, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ContentBlock, ElicitResult, LoggingLevel, LoggingMessageNotificationParam,
    ProgressNotificationParam, ResourceContents, Tool,
};
use rmcp::service::ServiceError;
use serde_json::{Value, json};

use super::subscriptions::Change;
use super::{Answer, Context, Fixtures, broken, png};

/// A tool with this input schema, which is an object.
pub fn tool(name: &'static str, description: &'static str, schema: Value) -> Tool {
    let schema = schema.as_object().cloned().unwrap_or_default();
    Tool::new(name, description, Arc::new(schema))
}

pub fn said(text: impl Into<String>) -> Answer {
    content([ContentBlock::text(text)])
}

fn content<const N: usize>(blocks: [ContentBlock; N]) -> Answer {
    Ok(CallToolResult::success(blocks.to_vec()).into())
}

fn failed(text: impl ToString) -> Answer {
    Ok(CallToolResult::error(vec![ContentBlock::text(text.to_string())]).into())
}

pub fn list() -> Vec<Tool> {
    let plain = [
        ("test_simple_text", "Says a sentence"),
        ("test_image_content", "Shows a picture"),
        ("test_audio_content", "Plays a sound"),
        ("test_embedded_resource", "Carries a resource"),
        (
            "test_multiple_content_types",
            "Carries a text, a picture and a resource",
        ),
        ("test_error_handling", "Fails"),
        ("test_tool_with_logging", "Writes three log lines"),
        ("test_logging_tool", "Writes three log lines"),
        ("test_tool_with_progress", "Tells how far it is"),
        ("test_reconnection", "Says a sentence"),
        ("test_trigger_tool_change", "Says that the tools changed"),
        ("test_trigger_prompt_change", "Says that the prompts changed"),
        (
            "test_elicitation_sep1034_defaults",
            "Asks with a form that is filled in already",
        ),
        ("test_elicitation_sep1330_enums", "Asks with a form of choices"),
    ]
    .map(|(name, description)| tool(name, description, json!({"type": "object"})));
    let one_text = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let special = [
        tool("test_sampling", "Asks the client's model", one_text("prompt")),
        tool("test_elicitation", "Asks the user", one_text("message")),
        tool(
            "test_header",
            "Wants its argument in a header as well",
            json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}),
        ),
        tool(
            "json_schema_2020_12_tool",
            "Has a schema with everything",
            whole_schema(),
        ),
    ];
    plain.into_iter().chain(special).collect()
}

/// A schema that uses what JSON Schema 2020-12 has; it has to arrive as it is.
fn whole_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

/// Calls one of these tools; nothing where the tool is another.
pub async fn call(fixtures: &Fixtures, request: &CallToolRequestParams, context: &Context) -> Option<Answer> {
    let argument = |name: &str| {
        let arguments = request.arguments.as_ref();
        arguments
            .and_then(|arguments| arguments.get(name)?.as_str())
            .unwrap_or_default()
    };
    Some(match request.name.as_ref() {
        "test_simple_text" | "test_reconnection" | "json_schema_2020_12_tool" => said("A simple text."),
        "test_image_content" => png().and_then(|png| content([ContentBlock::image(png, "image/png")])),
        "test_audio_content" => content([ContentBlock::audio(wav(), "audio/wav")]),
        "test_embedded_resource" => content([ContentBlock::resource(ResourceContents::text(
            "An embedded text.",
            "test://embedded-resource",
        ))]),
        "test_multiple_content_types" => mixed(),
        "test_error_handling" => failed("This tool always fails."),
        "test_tool_with_logging" | "test_logging_tool" => logs(fixtures, context).await,
        "test_tool_with_progress" => progress(context).await,
        "test_header" => said(argument("region")),
        "test_trigger_tool_change" => changed(fixtures, Change::Tools),
        "test_trigger_prompt_change" => changed(fixtures, Change::Prompts),
        "test_sampling" => sample(context, argument("prompt")).await,
        "test_elicitation" => {
            let text = json!({"type": "string"});
            let fields = json!({"username": text, "email": text});
            elicit(context, argument("message"), fields, &["username", "email"]).await
        }
        "test_elicitation_sep1034_defaults" => elicit(context, "Is this right?", filled_in(), &[]).await,
        "test_elicitation_sep1330_enums" => elicit(context, "Which ones?", choices(), &[]).await,
        _ => return None,
    })
}

fn mixed() -> Answer {
    let json = json!({"test": "data"}).to_string();
    let resource = ResourceContents::text(json, "test://mixed-content-resource").with_mime_type("application/json");
    content([
        ContentBlock::text("A text, a picture and a resource:"),
        ContentBlock::image(png()?, "image/png"),
        ContentBlock::resource(resource),
    ])
}

/// The shortest sound: two samples of silence, 8 kHz, one channel, 16 bits.
fn wav() -> String {
    let samples = [0_u8; 4];
    let (rate, bytes_a_sample) = (8_000_u32, 2_u16);
    let length = samples.len() as u32;
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    bytes.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    bytes.extend([rate, rate * u32::from(bytes_a_sample)].map(u32::to_le_bytes).concat());
    bytes.extend([bytes_a_sample, bytes_a_sample * 8].map(u16::to_le_bytes).concat());
    bytes.extend(b"data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples);
    STANDARD.encode(bytes)
}

/// Writes log lines where the client wants them: the newest revision says so with each request, older ones once.
async fn logs(fixtures: &Fixtures, context: &Context) -> Answer {
    let asked = match context.protocol_version() {
        Some(version) if version.as_str() >= "2026-07-28" => context.meta.log_level(),
        _ => Some(*fixtures.session.level.lock().unwrap_or_else(PoisonError::into_inner)),
    };
    if asked.is_some_and(|least| least as u8 <= LoggingLevel::Info as u8) {
        for text in ["begun", "half done", "done"] {
            let line = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
            context.peer.notify_logging_message(line).await.map_err(broken)?;
        }
    }
    said("Logged.")
}

async fn progress(context: &Context) -> Answer {
    if let Some(token) = context.meta.get_progress_token() {
        for done in [0.0, 50.0, 100.0] {
            let progress = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
            context.peer.notify_progress(progress).await.map_err(broken)?;
        }
    }
    said("Done.")
}

fn changed(fixtures: &Fixtures, change: Change) -> Answer {
    // Nobody listening is not an error.
    let _ = fixtures.shared.changes.send(change);
    said("Told.")
}

async fn sample(context: &Context, prompt: &str) -> Answer {
    let params = json!({
        "messages": [{"role": "user", "content": {"type": "text", "text": prompt}}],
        "maxTokens": 100,
    });
    let params = serde_json::from_value(params).map_err(broken)?;
    match context.peer.create_message(params).await {
        Ok(result) => said(json!(result.message).to_string()),
        Err(error) => failed(error),
    }
}

async fn elicit(context: &Context, message: &str, fields: Value, required: &[&str]) -> Answer {
    let params = json!({
        "mode": "form",
        "message": message,
        "requestedSchema": {"type": "object", "properties": fields, "required": required},
    });
    let params = serde_json::from_value(params).map_err(broken)?;
    let answered: Result<ElicitResult, ServiceError> = context.peer.create_elicitation(params).await;
    match answered {
        Ok(result) => said(json!(result).to_string()),
        Err(error) => failed(error),
    }
}

/// A field of every type, each with a default.
fn filled_in() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

/// A field for every way to write a choice.
fn choices() -> Value {
    let titled = json!([{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}]);
    let plain = json!(["option1", "option2", "option3"]);
    json!({
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["First", "Second"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    })
}
