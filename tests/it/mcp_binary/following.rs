//! A client that follows a session is told when it changes, also by another server; and not any more when it stopped.

use serde_json::{Value, json};

use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::{ERA, over_every_transport};
use crate::support::mcp_client::{Call, Era, Failure};

over_every_transport! {
    a_followed_session_tells_of_its_changes_until_it_is_not_followed_any_more
}

/// Subscribes in the way of the era, and waits until that is in force.
async fn follow(server: &Server, bench: &Bench, uris: &[&String]) -> Option<Call> {
    if bench.era == Era::Modern {
        let asked = json!({"notifications": {"resourceSubscriptions": uris}});
        let before: Vec<usize> = uris.iter().map(|uri| heard(server, uri)).collect();
        let call = server.start("subscriptions/listen", asked);
        // The news at the beginning.
        for (uri, before) in uris.iter().zip(before) {
            news(server, uri, before + 1).await;
        }
        return Some(call);
    }
    for uri in uris {
        server.result("resources/subscribe", json!({"uri": uri})).await;
    }
    None
}

fn is_news(message: &Value, uri: &str) -> bool {
    message["method"] == "notifications/resources/updated" && message["params"]["uri"] == uri
}

fn heard(server: &Server, uri: &str) -> usize {
    server.count(|message| is_news(message, uri))
}

async fn news(server: &Server, uri: &str, count: usize) {
    server
        .messages("news of the session", count, |message| is_news(message, uri))
        .await;
}

async fn change(server: &Server, session: &str) {
    server
        .tool(
            "inject_prompt",
            json!({"session": session, "positive": "a blue square"}),
        )
        .await;
}

mod bodies {
    use super::*;

    pub async fn a_followed_session_tells_of_its_changes_until_it_is_not_followed_any_more(bench: Bench) {
        let server = bench.open().await;
        let (session, bell) = (server.session(&bench).await, server.session(&bench).await);
        let [own, bells] = [&session, &bell].map(|id| format!("calibrator://sessions/{id}"));
        if bench.era != Era::Modern {
            server.listen().await;
        }
        let listening = follow(&server, &bench, &[&own, &bells]).await;
        let before = heard(&server, &own);
        // Another server on the same folder.
        let other = bench.open().await;
        change(&other, &session).await;
        news(&server, &own, before + 1).await;

        match &listening {
            Some(call) => {
                assert!(!call.is_answered());
                server.cancel(call).await;
                follow(&server, &bench, &[&bells]).await;
            }
            None => {
                server.result("resources/unsubscribe", json!({"uri": own})).await;
            }
        }
        let (after, rung) = (heard(&server, &own), heard(&server, &bells));
        change(&other, &session).await;
        // The second ring comes a look after the first: by then the other session would have been looked at as well.
        for ring in 1..=2 {
            change(&other, &bell).await;
            news(&server, &bells, rung + ring).await;
        }
        assert_eq!(heard(&server, &own), after, "it is not followed any more");
    }
}

#[tokio::test]
async fn what_is_not_here_is_followed_in_vain_and_what_is_gone_is_said() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    server
        .result("resources/subscribe", json!({"uri": "test://else"}))
        .await;
    server
        .result("resources/subscribe", json!({"uri": "calibrator://rubrics/default"}))
        .await;
    let gone = json!({"uri": "calibrator://sessions/zzzzzzzz"});
    let failure = server.request("resources/subscribe", gone).await.unwrap_err();
    assert!(matches!(failure, Failure::Rpc { code: -32002, .. }), "{failure:?}");

    // As many as a client may follow, and one more; foreign addresses do not count.
    let mut refused = 0;
    for n in 1..=65 {
        let session = server.session(&bench).await;
        let uri = json!({"uri": format!("calibrator://sessions/{session}")});
        match server.request("resources/subscribe", uri).await {
            Ok(_) => {}
            Err(Failure::Rpc { code, message, .. }) => {
                assert_eq!((n, code), (65, -32602), "{message}");
                assert!(message.contains("unsubscribe"), "{message}");
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn a_subscription_is_acknowledged_for_what_it_can_tell_of() {
    let bench = Bench::new(Via::Stdio, Era::Modern).await;
    let server = bench.open().await;
    let own = format!("calibrator://sessions/{}", server.session(&bench).await);
    let many: Vec<String> = (0..400).map(|n| format!("test://{n}")).collect();
    let mut asked = vec![own.clone(), "calibrator://rubrics/default".to_owned()];
    asked.extend(many);
    server.start(
        "subscriptions/listen",
        json!({"notifications": {"resourceSubscriptions": asked}}),
    );
    let told = server
        .message("the acknowledgement", |message| {
            message["method"] == "notifications/subscriptions/acknowledged"
        })
        .await;
    assert_eq!(
        told["params"]["notifications"]["resourceSubscriptions"],
        json!([own]),
        "{told}"
    );
}
