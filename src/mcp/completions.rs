//! Completions: ids of sessions, names of rubrics, numbers of iterations, workflows that were used.

use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Reference};

use super::prompts::CALIBRATE;
use super::resources::PATTERNS;
use crate::session::Service;
use history::{HistoryError, Session, WorkflowSource};
use judge::rubric::BUILTIN_NAMES;
use types::hint;

/// Sessions that are looked through.
const RECENT: u32 = 500;

/// Sessions whose workflows are offered.
const WORKFLOWS: u32 = 20;

/// What an argument may be, given its beginning; nothing for arguments that are not known.
///
/// # Errors
/// -32603 when the history cannot be read.
pub async fn complete(service: &Service, request: CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let argument = request.argument.name.as_str();
    let known = match &request.r#ref {
        Reference::Prompt(prompt) => prompt.name == CALIBRATE,
        Reference::Resource(resource) => PATTERNS.iter().any(|pattern| pattern.template == resource.uri),
        _ => false,
    };
    let earlier = request
        .context
        .as_ref()
        .and_then(|context| context.get_argument("session"));
    let all = match argument {
        _ if !known => Ok(Vec::new()),
        "session" => sessions(service).await,
        "iteration" => iterations(service, earlier.map(String::as_str)).await,
        "rubric" => Ok(BUILTIN_NAMES.map(str::to_owned).to_vec()),
        "workflow" => workflows(service).await,
        _ => Ok(Vec::new()),
    };
    let all = all.map_err(|error| ErrorData::internal_error(hint::in_words(&error), None))?;
    let begun = request.argument.value.to_lowercase();
    let fitting = |value: &String| value.to_lowercase().starts_with(&begun);
    let mut values: Vec<String> = all.into_iter().filter(fitting).collect();
    let total = u32::try_from(values.len()).ok();
    let more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let info =
        CompletionInfo::with_pagination(values, total, more).map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(info))
}

/// The newest first.
async fn sessions(service: &Service) -> Result<Vec<String>, HistoryError> {
    let found = service.store().sessions(0, RECENT).await?;
    Ok(found.into_iter().map(|session| session.id.to_string()).collect())
}

/// The newest first; of the session chosen before.
async fn iterations(service: &Service, session: Option<&str>) -> Result<Vec<String>, HistoryError> {
    let Some(Ok(id)) = session.map(str::parse) else {
        return Ok(Vec::new());
    };
    match service.store().iteration_count(&id).await {
        Ok(count) => Ok((1..=count).rev().map(|n| n.to_string()).collect()),
        Err(error) if error.is_absence() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// ComfyUI's newest run, then the files of recent sessions.
async fn workflows(service: &Service) -> Result<Vec<String>, HistoryError> {
    let mut found = vec!["last".to_owned()];
    for summary in service.store().sessions(0, WORKFLOWS).await? {
        let session: Session = service.store().session(&summary.id).await?;
        if let WorkflowSource::File(path) = &session.opened.workflow_source {
            let path = path.display().to_string();
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}
