//! Lists that change, and who listens to it.

use rmcp::service::SubscriptionContext;
use tokio::sync::broadcast::Receiver;

/// What changed.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    Tools,
    Prompts,
}

/// Passes changes on until the client has enough.
pub async fn listen(mut changes: Receiver<Change>, subscription: &SubscriptionContext) {
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = subscription.cancelled() => return,
        };
        let Ok(change) = change else { return };
        // An error says that the client did not ask for this, or is gone, which the next turn sees.
        let _ = match change {
            Change::Tools => subscription.sink().notify_tool_list_changed().await,
            Change::Prompts => subscription.sink().notify_prompt_list_changed().await,
        };
    }
}
