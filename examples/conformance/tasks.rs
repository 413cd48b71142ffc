//! Tools that become tasks (SEP-2663), which the client then asks about.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ContentBlock, CreateTaskResult, ErrorData, InputRequest,
    Tool,
};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::{Value, json};

use super::input_required::{accepted, ask, form};
use super::tools::{said, tool};
use super::{Answer, Context, broken};

type Outcome = Result<CallToolResult, TaskExit>;

pub fn list() -> Vec<Tool> {
    [
        ("greet", "Greets; never a task"),
        (
            "slow_compute",
            "Takes as many seconds as it is told; a task where the client knows tasks",
        ),
        ("failing_job", "A task that fails as tools do"),
        ("protocol_error_job", "A task that breaks"),
        ("confirm_delete", "A task that asks"),
        ("multi_input", "A task that asks two things at once"),
        ("test_tool_with_task", "Asks first, then becomes a task"),
    ]
    .map(|(name, description)| tool(name, description, json!({"type": "object"})))
    .to_vec()
}

fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn spawn<F>(tasks: &TaskManager, work: impl FnOnce(TaskContext) -> F) -> Answer
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let options = TaskOptions::new().with_poll_interval_ms(100);
    let task = tasks.spawn(options, |task| Box::pin(work(task)));
    Ok(CreateTaskResult::new(task).into())
}

/// Calls one of these tools; nothing where the tool is another.
pub async fn call(tasks: &TaskManager, request: &CallToolRequestParams, context: &Context) -> Option<Answer> {
    let argument = |name: &str| request.arguments.as_ref().and_then(|arguments| arguments.get(name));
    let knows_tasks = context
        .client_capabilities()
        .is_some_and(|client| client.supports_tasks());
    Some(match request.name.as_ref() {
        "greet" => said(format!(
            "Hello, {}!",
            argument("name").and_then(Value::as_str).unwrap_or("you")
        )),
        "slow_compute" => {
            let seconds = argument("seconds").and_then(Value::as_f64).unwrap_or_default();
            let Ok(length) = Duration::try_from_secs_f64(seconds) else {
                return Some(Err(ErrorData::invalid_params("no such number of seconds", None)));
            };
            if knows_tasks {
                spawn(tasks, move |task| compute(task, length))
            } else {
                tokio::time::sleep(length).await;
                said("Computed.")
            }
        }
        "test_tool_with_task" => match accepted(request.input_responses.as_ref(), "user_name", "name") {
            Some(name) => {
                let greeting = format!("Hello, {name}!");
                spawn(tasks, |_| async { Ok(text(greeting)) })
            }
            None => {
                let question = form("What is your name?", "name", "string");
                ask(context, [("user_name", question)], None).map(Into::into)
            }
        },
        "failing_job" | "protocol_error_job" | "confirm_delete" | "multi_input" if !knows_tasks => {
            let needed = ClientCapabilities::builder().enable_tasks().build();
            Err(ErrorData::missing_required_client_capability(needed))
        }
        "failing_job" => spawn(tasks, |_| async {
            Ok(CallToolResult::error(vec![ContentBlock::text("It failed.")]))
        }),
        "protocol_error_job" => spawn(tasks, |_| async { Err(broken("It broke.").into()) }),
        "confirm_delete" => spawn(tasks, |task| async move { Ok(text(confirmed(&task, "first").await?)) }),
        "multi_input" => spawn(tasks, |task| async move {
            let (first, second) = tokio::try_join!(confirmed(&task, "first"), confirmed(&task, "second"))?;
            Ok(text(format!("{first}, {second}")))
        }),
        _ => return None,
    })
}

async fn compute(task: TaskContext, length: Duration) -> Outcome {
    tokio::select! {
        () = tokio::time::sleep(length) => Ok(text("Computed.")),
        () = task.cancelled() => Err(TaskExit::Cancelled),
    }
}

/// What the client says to a question.
async fn confirmed(task: &TaskContext, key: &str) -> Result<String, TaskExit> {
    let question: InputRequest =
        serde_json::from_value(form("Is that all right?", "confirm", "boolean")).map_err(broken)?;
    let answer = task.request_input(key, question).await?;
    Ok(answer["content"]["confirm"].to_string())
}
