use rmcp::service::ServerInitializeError;
use tokio::task::JoinError;

use super::{Sample, io, samples};
use crate::mcp::panic_guard::{NoTurn, Panicked};
use crate::mcp::transport::guard::BadOrigin;
use crate::mcp::transport::http::HttpError;
use crate::mcp::transport::stdio::StdioError;

/// What is left of a task that was ended.
fn ended() -> JoinError {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        task.await.unwrap_err()
    })
}

pub fn samples() -> Vec<Sample> {
    let (what, message) = ("The tool x", "on purpose");
    samples![
        StdioError::Open(Box::new(ServerInitializeError::Cancelled)),
        StdioError::Session(ended()),
        HttpError::TokenNeeded {
            addr: ([0, 0, 0, 0], 80).into()
        },
        HttpError::EmptyToken,
        HttpError::Origin(BadOrigin {
            origin: "x".into(),
            reason: "x".into()
        }),
        HttpError::Bind {
            addr: ([127, 0, 0, 1], 80).into(),
            source: io()
        },
        HttpError::Stopped(io()),
        Panicked {
            what: what.into(),
            message: message.into()
        },
        NoTurn::Busy { running: 1, waiting: 1 },
        NoTurn::Full,
        NoTurn::Cancelled,
    ]
}
