//! A proxy that treats a connection badly: it delays, cuts, truncates, duplicates, reorders and lies, as a seed says.
//!
//! One request a connection. What a real network cannot do is not done: a `POST /prompt` is never sent twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What happens to one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Both ways are slow.
    Slow,
    /// The answer comes after the client has given up.
    Held,
    /// The request is delivered after the client has given up.
    Late,
    /// Cut before the request is delivered.
    CutBefore,
    /// Delivered, and cut before the answer.
    CutAfter,
    /// The answer ends somewhere in the middle.
    Truncated,
    /// Delivered twice, as a proxy does that tries again.
    Twice,
    /// Delivered, and answered with an error of the proxy's own.
    Gateway,
}

/// How likely each fault is, out of 100.
const FAULTS: [(Fault, u32); 8] = [
    (Fault::Slow, 10),
    (Fault::Held, 4),
    (Fault::Late, 3),
    (Fault::CutBefore, 5),
    (Fault::CutAfter, 5),
    (Fault::Truncated, 6),
    (Fault::Twice, 4),
    (Fault::Gateway, 3),
];

/// The proxy, until it is dropped.
pub struct Proxy {
    pub url: String,
    well_behaved: Arc<AtomicBool>,
    dripping: Arc<AtomicBool>,
    dripped: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// In front of a server; `patience` is how long the client waits for an answer.
    pub async fn before(server: SocketAddr, seed: u64, patience: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let well_behaved = Arc::new(AtomicBool::new(false));
        let calm = Arc::clone(&well_behaved);
        let dripping = Arc::new(AtomicBool::new(false));
        let drips = Arc::clone(&dripping);
        let (told, dripped) = watch::channel(false);
        let connections = AtomicU64::new(0);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003) ^ number);
                let calm = Arc::clone(&calm);
                let drips = drips.load(Ordering::Relaxed).then(|| told.clone());
                tokio::spawn(async move {
                    let relay = Relay {
                        server,
                        random,
                        calm,
                        drips,
                        patience,
                    };
                    // A connection that ends badly is what this is for.
                    let _ = relay.run(client).await;
                });
            }
        });
        Self {
            url,
            well_behaved,
            dripping,
            dripped,
            task,
        }
    }

    /// From now on pictures come byte by byte, without end; or do not any more.
    pub fn drip(&self, on: bool) {
        self.dripping.store(on, Ordering::Relaxed);
    }

    /// Waits until the first byte of a picture was sent.
    pub async fn dripping(&self) {
        self.dripped.clone().wait_for(|told| *told).await.unwrap();
    }

    /// From now on nothing goes wrong.
    pub fn calm_down(&self) {
        self.well_behaved.store(true, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Relay {
    server: SocketAddr,
    random: StdRng,
    calm: Arc<AtomicBool>,
    /// Where it is told that a picture drips, if pictures do.
    drips: Option<watch::Sender<bool>>,
    patience: Duration,
}

impl Relay {
    fn fault(&mut self, request: &str) -> Fault {
        if self.calm.load(Ordering::Relaxed) {
            return Fault::None;
        }
        let mut roll = self.random.random_range(0..100);
        for (fault, weight) in FAULTS {
            if roll < weight {
                let submits = request.starts_with("POST /prompt");
                return if submits && fault == Fault::Twice {
                    Fault::None
                } else {
                    fault
                };
            }
            roll -= weight;
        }
        Fault::None
    }

    fn some_time(&mut self, longest_ms: u64) -> Duration {
        Duration::from_millis(self.random.random_range(0..=longest_ms))
    }

    async fn run(mut self, mut client: TcpStream) -> std::io::Result<()> {
        let request = read_request(&mut client).await?;
        let line = String::from_utf8_lossy(&request[..request.len().min(64)]).into_owned();
        let fault = self.fault(&line);
        if line.starts_with("GET /ws") {
            return self.socket(client, request, fault).await;
        }
        if let Some(told) = self.drips.as_ref().filter(|_| line.starts_with("GET /view")) {
            return drip(client, told).await;
        }
        match fault {
            Fault::CutBefore => return Ok(()),
            Fault::Slow => sleep(self.some_time(60)).await,
            Fault::Late => sleep(self.patience + self.some_time(40)).await,
            _ => {}
        }
        if fault == Fault::Twice {
            exchange(self.server, &request).await?;
        }
        let mut answer = exchange(self.server, &request).await?;
        match fault {
            Fault::CutAfter | Fault::Late => return Ok(()),
            Fault::Slow => sleep(self.some_time(60)).await,
            Fault::Held => sleep(self.patience + self.some_time(40)).await,
            Fault::Truncated => answer.truncate(self.random.random_range(1..answer.len().max(2))),
            Fault::Gateway => {
                answer = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
            }
            _ => {}
        }
        client.write_all(&answer).await?;
        client.shutdown().await
    }

    /// A WebSocket: the handshake as it is, then whole messages of the server, badly treated.
    async fn socket(mut self, client: TcpStream, request: Vec<u8>, fault: Fault) -> std::io::Result<()> {
        if matches!(fault, Fault::CutBefore | Fault::Late) {
            return Ok(());
        }
        let mut server = TcpStream::connect(self.server).await?;
        server.write_all(&request).await?;
        let (mut from_server, mut to_server) = server.into_split();
        let (mut from_client, mut to_client) = client.into_split();
        let handshake = read_head(&mut from_server).await?;
        to_client.write_all(&handshake).await?;
        let upwards = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        let mut kept: Option<Vec<u8>> = None;
        while let Ok(frame) = read_frame(&mut from_server).await {
            let roll = if self.calm.load(Ordering::Relaxed) {
                99
            } else {
                self.random.random_range(0..100)
            };
            match roll {
                0..5 => sleep(self.some_time(40)).await,
                5..10 => continue,
                10..15 => to_client.write_all(&frame).await?,
                // The next one overtakes it.
                15..25 if kept.is_none() => {
                    kept = Some(frame);
                    continue;
                }
                25..28 => {
                    to_client.write_all(&frame[..frame.len() / 2]).await?;
                    break;
                }
                28..30 => break,
                _ => {}
            }
            to_client.write_all(&frame).await?;
            if let Some(overtaken) = kept.take() {
                to_client.write_all(&overtaken).await?;
            }
        }
        upwards.abort();
        Ok(())
    }
}

/// Sends an endless picture as slowly as a client bears it, until the client is gone.
async fn drip(mut client: TcpStream, told: &watch::Sender<bool>) -> std::io::Result<()> {
    client
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        .await?;
    loop {
        client.write_all(b"\x89").await?;
        told.send_replace(true);
        sleep(Duration::from_millis(20)).await;
    }
}

/// One request on a connection of its own; the whole answer.
async fn exchange(server: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let line_end = request.windows(2).position(|pair| pair == b"\r\n").unwrap_or(0) + 2;
    stream.write_all(&request[..line_end]).await?;
    stream.write_all(b"connection: close\r\n").await?;
    stream.write_all(&request[line_end..]).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Up to the blank line.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = read_head(stream).await?;
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    request.extend(body);
    Ok(request)
}

/// One frame of a server, which does not mask.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 2];
    stream.read_exact(&mut frame).await?;
    let more = match frame[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mut extended = vec![0; more];
    stream.read_exact(&mut extended).await?;
    let length = match more {
        0 => u64::from(frame[1] & 0x7f),
        _ => extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    frame.extend(&extended);
    let mut payload = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    stream.read_exact(&mut payload).await?;
    frame.extend(payload);
    Ok(frame)
}
