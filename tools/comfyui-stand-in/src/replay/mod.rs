//! A server that plays a recorded run to a client under test.
//!
//! Tests wait for what the server has seen ([`Replay::until`]) instead of sleeping, and assert at the end that nothing
//! unexpected was asked ([`Replay::unexpected`]).

mod http;
mod player;
mod recording;
mod script;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use tokio::sync::watch;

pub use recording::{Frame, Recording};
pub use script::{Act, Answer, Post, Script, Start};

use player::Server;

/// What a replaying server has seen so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Submissions.
    pub posts: usize,
    /// WebSockets opened.
    pub sockets: usize,
    /// Frames played, whether or not somebody heard them.
    pub frames: usize,
    /// Looks at the run's history.
    pub history_looks: usize,
    /// Looks at the queue.
    pub queue_looks: usize,
    /// Interrupts of the run.
    pub interrupts: usize,
    /// Deletions of the run from the queue.
    pub deletions: usize,
    /// Scripted answers given: the request line and the body.
    pub answered: Vec<(String, Vec<u8>)>,
    /// Requests that the script does not allow.
    pub unexpected: Vec<String>,
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Replay {
    address: SocketAddr,
    server: Arc<Server>,
    seen: watch::Receiver<Seen>,
}

impl Replay {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start(script: Script) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("binding a loopback port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (server, seen) = Server::new(script);
        // A runtime of its own: ending it cuts every connection at once, as a killed server does.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Arc::clone(&server);
        std::thread::Builder::new().name("replay".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                let app = Router::new().fallback(http::answer).with_state(Arc::clone(&serving));
                tokio::select! {
                    _ = axum::serve(listener, app) => {}
                    () = serving.stopped() => {}
                }
            });
        })?;
        Ok(Self { address, server, seen })
    }

    /// The base address, with the script's prefix.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.server.script().prefix)
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Requests that were not expected. A test asserts that there are none.
    pub fn unexpected(&self) -> Vec<String> {
        self.seen().unexpected
    }

    /// Waits until the server has seen enough; for ever when it never does or has died, so give it a time limit.
    pub async fn until(&self, enough: impl FnMut(&Seen) -> bool) -> Seen {
        match self.seen.clone().wait_for(enough).await {
            Ok(seen) => seen.clone(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Lets a held run go on: one release for each hold, and for a pending start.
    pub fn release(&self) {
        self.server.release();
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.server.stop();
    }
}
