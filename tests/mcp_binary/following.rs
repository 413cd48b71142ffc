//! A client that follows a session is told when it changes, also by another server.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::over_every_transport;
use crate::support::mcp_client::{Era, Failure};

over_every_transport! {
    a_followed_session_tells_of_its_changes
}

fn is_news_of(message: &Value, uri: &str) -> bool {
    message["method"] == "notifications/resources/updated" && message["params"]["uri"] == uri
}

mod bodies {
    use super::*;

    pub async fn a_followed_session_tells_of_its_changes(bench: Bench) {
        let server = bench.open().await;
        let session = server.session(&bench).await;
        let uri = format!("calibrator://sessions/{session}");
        let listening = match bench.era {
            Era::Modern => {
                let asked = json!({"notifications": {"resourceSubscriptions": [uri]}});
                let call = server.start("subscriptions/listen", asked);
                server
                    .message("the acknowledgement", |message| {
                        message["method"] == "notifications/subscriptions/acknowledged"
                    })
                    .await;
                Some(call)
            }
            Era::Session(_) => {
                server.listen().await;
                server.result("resources/subscribe", json!({"uri": uri})).await;
                // Nothing is promised of what is not here.
                server
                    .result("resources/subscribe", json!({"uri": "test://else"}))
                    .await;
                let gone = json!({"uri": "calibrator://sessions/zzzzzzzz"});
                let failure = server.request("resources/subscribe", gone).await.unwrap_err();
                assert!(matches!(failure, Failure::Rpc { code: -32002, .. }), "{failure:?}");
                None
            }
        };
        // Another server on the same folder.
        let other = bench.open().await;
        let draft = json!({"session": session, "positive": "a blue square"});
        other.tool("inject_prompt", draft).await;
        server
            .message("news of the session", |message| is_news_of(message, &uri))
            .await;
        match listening {
            Some(call) => {
                assert!(!call.is_answered());
                server.cancel(&call).await;
            }
            None => {
                server.result("resources/unsubscribe", json!({"uri": uri})).await;
            }
        }
        server.result("tools/list", json!({})).await;
    }
}
