//! A server that answers every request as a function says: what a proxy, a login page or another program does.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It answers until it is dropped.
pub struct Answering {
    pub url: String,
    serving: JoinHandle<()>,
}

impl Answering {
    /// `answer` gets `METHOD /path` and gives a status with its word, such as `502 Bad Gateway`, and a body.
    pub async fn new(answer: impl Fn(&str) -> (&'static str, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(answer);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    // A client that goes away at any time is its own affair.
                    let _ = one(client, &*answer).await;
                });
            }
        });
        Self { url, serving }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request a connection. The body of the request is read, so that closing does not reset the connection.
async fn one(mut client: TcpStream, answer: impl Fn(&str) -> (&'static str, String)) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    client.read_exact(&mut vec![0; length.unwrap_or(0)]).await?;
    let line = head.lines().next().unwrap_or_default();
    let (status, body) = answer(line.rsplit_once(' ').map_or(line, |(line, _)| line));
    let told = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(told.as_bytes()).await?;
    client.shutdown().await
}
