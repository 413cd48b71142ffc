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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every request with this body.
    async fn server(body: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn the_first_port_where_comfyui_answers_is_found() {
        let comfyui = r#"{"system": {"comfyui_version": "0.9"}, "devices": []}"#;
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let (page, first, second) = (server("<html>").await, server(comfyui).await, server(comfyui).await);
        let found = discover(&[closed, page, first, second]).await.unwrap();
        assert_eq!(found.url.port(), Some(first));
        assert_eq!(found.stats.version, "0.9");
        assert_eq!(discover(&[closed, page]).await, None);
    }
}
