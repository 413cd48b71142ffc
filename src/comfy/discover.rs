//! Finding a ComfyUI on this machine.

use std::time::Duration;

use futures::future::join_all;
use url::Url;

use super::calls::SystemStats;
use super::client::{Client, ClientConfig};

/// Where a ComfyUI of this machine commonly listens: its own default, the desktop edition's, and what people take beside them.
pub const LIKELY_PORTS: [u16; 4] = [8188, 8000, 8189, 8888];

/// How long an answer may take: on one's own machine it comes at once, unless the server is busy loading.
const LIMIT: Duration = Duration::from_secs(3);

/// A ComfyUI that answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// Its address.
    pub url: Url,
    /// What it says of itself.
    pub stats: SystemStats,
}

/// Asks these ports of this machine, all at once and without any credentials; the first of the list that answers as a
/// ComfyUI does.
pub async fn discover(ports: &[u16]) -> Option<Discovered> {
    let asked = ports.iter().map(|port| async move {
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).ok()?;
        let mut config = ClientConfig::new(url.clone());
        (config.connect_timeout, config.request_timeout) = (LIMIT, LIMIT);
        let stats = Client::new(config).ok()?.system_stats().await.ok()?;
        Some(Discovered { url, stats })
    });
    join_all(asked).await.into_iter().flatten().next()
}
