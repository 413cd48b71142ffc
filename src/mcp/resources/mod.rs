//! Resources: sessions, iterations, workflows, pictures, rubrics, and the page that shows a calibration.
//!
//! What is read as JSON is what `get_history` gives, so that there is one contract for both.

mod address;
mod app;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    CacheScope, ErrorData, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate,
};
use serde_json::{Value, json};

pub use address::{APP, Address, PATTERNS};
pub use app::{MIME as APP_MIME, meta as app_meta, tool_meta};

use super::tools::get_history;
use crate::report;
use crate::session::{MAX_SENT, OverviewRequest, Service, ServiceError};
use imaging::metadata;
use judge::rubric::{BUILTIN_NAMES, builtin};
use text::secrets;
use text::{cleaned, outgoing, shortened, shown_json};
use types::progress::Teller;
use types::{SessionId, hint};

/// Sessions on one page of the list.
const PAGE: u32 = 50;

/// What is named by its content does not change: a client may keep it for a day, in milliseconds.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// A page of what there is: first what is always there, then the sessions, the newest first.
///
/// # Errors
/// -32602 for a cursor that this server did not give; -32603 when the history cannot be read.
pub async fn list(service: &Service, cursor: Option<String>) -> Result<ListResourcesResult, ErrorData> {
    let skip: u32 = match cursor.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            let text = shortened(text, QUOTED);
            ErrorData::invalid_params(
                format!("{text:?} is no cursor of this list: leave it out to begin"),
                None,
            )
        })?,
    };
    let mut resources = if skip == 0 { lasting() } else { Vec::new() };
    let sessions = service.store().sessions(skip, PAGE).await;
    let sessions = sessions.map_err(|error| internal(&error.into()))?;
    let more = u32::try_from(sessions.len()).is_ok_and(|count| count == PAGE);
    resources.extend(sessions.into_iter().map(|session| {
        let at = Address::Session(session.id.clone());
        let s = if session.iterations == 1 { "" } else { "s" };
        let told = format!(
            "{} iteration{s}, last changed {}",
            session.iterations, session.last_activity
        );
        let listed = Resource::new(at.to_string(), session.id.to_string())
            .with_description(told)
            .with_mime_type("application/json");
        match session.title {
            Some(title) => listed.with_title(outgoing(&title)),
            None => listed,
        }
    }));
    let mut page = ListResourcesResult::with_all_items(resources);
    page.next_cursor = more.then(|| skip.saturating_add(PAGE).to_string());
    Ok(page)
}

fn lasting() -> Vec<Resource> {
    let sessions = Resource::new(Address::Sessions.to_string(), "sessions")
        .with_title("Sessions")
        .with_mime_type("application/json");
    let rubrics = BUILTIN_NAMES.iter().map(|name| {
        Resource::new(
            Address::Rubric((*name).to_owned()).to_string(),
            format!("rubric-{name}"),
        )
        .with_title(format!("The rubric \"{name}\""))
        .with_mime_type("application/toml")
    });
    let app = Resource::new(APP, "calibration")
        .with_title("A calibration, to look at")
        .with_mime_type(APP_MIME)
        .with_meta(app_meta());
    std::iter::once(sessions).chain(rubrics).chain([app]).collect()
}

/// The patterns of all addresses.
pub fn templates() -> ListResourceTemplatesResult {
    let templates = PATTERNS.iter().map(|pattern| {
        ResourceTemplate::new(pattern.template, pattern.name)
            .with_title(pattern.title)
            .with_description(pattern.description)
            .with_mime_type(pattern.media_type)
    });
    ListResourceTemplatesResult::with_all_items(templates.collect())
}

/// Reads what stands at an address.
///
/// # Errors
/// -32002 (-32602 in revision 2026-07-28) with the address when there is nothing, -32603 when it cannot be read.
pub async fn read(service: &Service, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let address: Address = uri.parse().map_err(|_| absent(uri))?;
    contents(service, &address).await.map_err(|error| match &error {
        ServiceError::History(cause) if cause.is_absence() => absent(uri),
        _ => internal(&error),
    })
}

async fn contents(service: &Service, address: &Address) -> Result<ReadResourceResult, ServiceError> {
    let uri = address.to_string();
    let text = |text: String, mime: &str| ResourceContents::text(text, &uri).with_mime_type(mime);
    let blob = |bytes: &[u8], mime: &str| ResourceContents::blob(STANDARD.encode(bytes), &uri).with_mime_type(mime);
    let view = async |request| {
        let shown: Value = get_history::view(service, request).await?;
        Ok::<_, ServiceError>(text(shown.to_string(), "application/json"))
    };
    if let Address::Picture(hash) | Address::Preview(hash) = address {
        service.may_be_shown(hash).await?;
    }
    let read = match address {
        Address::Sessions => view(OverviewRequest::default()).await?,
        Address::Session(id) => {
            view(OverviewRequest {
                session: Some(id.to_string()),
                ..OverviewRequest::default()
            })
            .await?
        }
        Address::Iteration(id, n) => {
            view(OverviewRequest {
                session: Some(id.to_string()),
                iteration: Some(n.get()),
                ..OverviewRequest::default()
            })
            .await?
        }
        Address::Report(id) => {
            let notebook = service.notebook(id.as_str(), &Teller::silent()).await?;
            let html = report::html(&report::page(&notebook));
            let html = html.map_err(|error| ServiceError::Internal(error.to_string()))?;
            sent_whole(html.len() as u64, id)?;
            // Pictures are in it: as text a client might put megabytes of them into a conversation.
            blob(html.as_bytes(), "text/html")
        }
        Address::Workflow(id, n) => {
            let iteration = service.store().iteration(id, *n).await?;
            let mut graph = iteration.content.graph;
            secrets::mask(&mut graph);
            text(shown_json(&graph.to_string()), "application/json")
        }
        Address::Picture(hash) => {
            let (stored, bytes) = service.picture_file(hash).await?;
            // ComfyUI writes the workflow into its pictures.
            blob(&metadata::without_secrets(&bytes), stored.format.media_type())
        }
        Address::Preview(hash) => blob(&service.preview(hash).await?, "image/jpeg"),
        Address::Rubric(name) => {
            let rubric = builtin(name).ok_or_else(|| ServiceError::Internal(format!("no rubric {name}")))?;
            text(rubric.text, "application/toml")
        }
        Address::App => text(app::html(), APP_MIME).with_meta(app_meta()),
    };
    let lasts = matches!(address, Address::Picture(_) | Address::Preview(_));
    let answer = ReadResourceResult::new(vec![read]).with_cache_scope(CacheScope::Private);
    Ok(answer.with_ttl_ms(if lasts { KEPT_MS } else { 0 }))
}

/// Fails for a report that is too large to be sent over a connection.
fn sent_whole(bytes: u64, session: &SessionId) -> Result<(), ServiceError> {
    if bytes <= MAX_SENT {
        return Ok(());
    }
    Err(ServiceError::usage(
        format!("the report of session {session} has {bytes} bytes; more than {MAX_SENT} are not sent"),
        format!("Write it to a file: `prompt-calibrator report {session} --to FILE`."),
    ))
}

/// Nothing stands at an address.
pub fn absent(uri: &str) -> ErrorData {
    let shown = cleaned(&shortened(uri, QUOTED)).into_owned();
    ErrorData::resource_not_found(
        format!(
            "there is no resource {shown}. resources/list has what there is, resources/templates/list the patterns of all addresses"
        ),
        Some(json!({"uri": shown})),
    )
}

/// Characters of what a client sent that an error repeats.
const QUOTED: usize = 200;

fn internal(error: &ServiceError) -> ErrorData {
    // What cannot be had as it was asked for is no fault of the server's: asking again would not help.
    if matches!(error, ServiceError::Usage { .. }) {
        return ErrorData::invalid_params(hint::in_words(error), None);
    }
    tracing::warn!(%error, "a resource could not be read");
    ErrorData::internal_error(hint::in_words(error), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_too_large_to_be_sent_says_how_it_is_had() {
        let session = SessionId::parse("7k3m9qx2").unwrap();
        assert!(sent_whole(MAX_SENT, &session).is_ok());
        let told = internal(&sent_whole(MAX_SENT + 1, &session).unwrap_err());
        let expected = format!("more than {MAX_SENT} are not sent");
        assert_eq!(told.code, ErrorData::invalid_params("", None).code);
        for word in [expected.as_str(), "prompt-calibrator report 7k3m9qx2 --to FILE"] {
            assert!(told.message.contains(word), "{word}: {}", told.message);
        }
    }
}
