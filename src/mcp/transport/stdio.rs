//! MCP over standard input and output: one JSON-RPC message a line, UTF-8.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ServerJsonRpcMessage};
use rmcp::service::ServerInitializeError;
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServerHandler, ServiceExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::drain::Draining;
use super::wire::{self, Decoded};
use super::{DEFAULT_GRACE, MAX_LINE_BYTES};
use crate::mcp::panic_guard::{Gate, Guarded};
use text::outgoing;

/// How long the output may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How long the first request of a client may take for which there is no server.
const OPENING_LIMIT: Duration = Duration::from_secs(5);
/// No first request is longer.
const MAX_OPENING_BYTES: u64 = 1 << 16;

/// How a session over a pipe is run.
#[derive(Debug, Clone)]
pub struct StdioOptions {
    /// How long requests in flight may still run after the input ended or `shutdown` was cancelled.
    pub grace: Duration,
    /// Longest line that is read, in bytes; a longer one is answered with an error and skipped.
    pub max_line: usize,
    /// Cancelling it ends the session as the end of the input does.
    pub shutdown: CancellationToken,
}

impl Default for StdioOptions {
    fn default() -> Self {
        Self {
            grace: DEFAULT_GRACE,
            max_line: MAX_LINE_BYTES,
            shutdown: CancellationToken::new(),
        }
    }
}

/// Why a session over a pipe could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The client's opening was refused; it has been told.
    #[error("the MCP session was not opened: {0}")]
    Open(Box<ServerInitializeError>),
    /// The task that runs the session ended abnormally.
    #[error("the MCP session ended abnormally, answers may be missing: {0}")]
    Session(#[from] tokio::task::JoinError),
}

impl StdioError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Open(_) => "Start the server again and send initialize, or requests with the _meta of protocol \
                              2026-07-28, as the first message."
                .to_owned(),
            Self::Session(_) => {
                "Start the server again; everything that was answered is recorded. The log on stderr has \
                                 the cause."
                    .to_owned()
            }
        }
    }
}

types::hints!(StdioError);

/// Serves one client over this process's standard input and output, until the input ends.
///
/// Nothing else may write to standard output meanwhile.
///
/// # Errors
/// [`StdioError`]; a client that goes away at any time is no error.
pub async fn serve<H: ServerHandler>(handler: H, options: StdioOptions) -> Result<(), StdioError> {
    serve_on(handler, tokio::io::stdin(), tokio::io::stdout(), options).await
}

/// Serves one client over a pair of pipes, until `reader` ends.
///
/// When it ends, requests in flight have `options.grace` to be answered; then they are cancelled, and after at most five
/// more seconds this returns. A line that is not a JSON-RPC message is answered with an error and changes nothing else.
///
/// # Errors
/// [`StdioError`]; a client that goes away at any time is no error.
pub async fn serve_on<H, R, W>(handler: H, reader: R, writer: W, options: StdioOptions) -> Result<(), StdioError>
where
    H: ServerHandler,
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let session = CancellationToken::new();
    let transport = Draining::new(
        Lines::new(reader, writer, options.max_line),
        options.grace,
        options.shutdown,
        session.clone(),
    );
    match Guarded::new(handler, Gate::default())
        .serve_with_ct(transport, session)
        .await
    {
        Ok(running) => {
            running.waiting().await?;
            Ok(())
        }
        // A client may start a server only to see whether it starts.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(StdioError::Open(Box::new(error))),
    }
}

/// Answers the first request on this process's standard input with an error: the server cannot start, and a client that waits for
/// its answer reads nothing else. Nothing is done where no request comes.
pub async fn refuse(why: &str) {
    refuse_on(tokio::io::stdin(), tokio::io::stdout(), why).await;
}

async fn refuse_on(reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin, why: &str) {
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(MAX_OPENING_BYTES));
    let Ok(Ok(1..)) = tokio::time::timeout(OPENING_LIMIT, reader.read_until(b'\n', &mut line)).await else {
        return;
    };
    let Ok(request) = serde_json::from_slice::<Value>(&line) else {
        return;
    };
    let Some(id) = request.get("id").filter(|id| id.is_string() || id.is_number()) else {
        return;
    };
    let error = json!({"code": ErrorCode::INTERNAL_ERROR.0, "message": outgoing(why)});
    let answer = json!({"jsonrpc": "2.0", "id": id, "error": error});
    // A client that is gone needs no answer.
    if writer.write_all(format!("{answer}\n").as_bytes()).await.is_ok() {
        drop(writer.flush().await);
    }
}

/// JSON-RPC messages as lines of a reader and a writer.
struct Lines<R, W> {
    reader: BufReader<R>,
    /// What has been read of the current line.
    line: Vec<u8>,
    max_line: usize,
    /// The current line was too long; the rest of it is dropped.
    skipping: bool,
    ended: bool,
    output: Output<W>,
    /// An answer to a malformed line, being written. Nothing more is read until it is, so that a flood of such lines cannot
    /// pile up answers.
    rejecting: Option<JoinHandle<io::Result<()>>>,
}

impl<R: AsyncRead + Send + Unpin, W: AsyncWrite + Send + Unpin + 'static> Lines<R, W> {
    fn new(reader: R, writer: W, max_line: usize) -> Self {
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
            max_line,
            skipping: false,
            ended: false,
            output: Output {
                writer: Arc::new(Mutex::new(writer)),
                broken: CancellationToken::new(),
            },
            rejecting: None,
        }
    }

    /// Reads until a line is complete and whole in `self.line`, or tells that it was too long. `None` at the end.
    ///
    /// Safe to drop and call again: what was read is kept in `self` and nothing is awaited between taking and keeping it.
    async fn read_line(&mut self) -> Option<Line> {
        loop {
            if self.ended {
                return None;
            }
            let available = match self.reader.fill_buf().await {
                Ok(available) => available,
                Err(error) => {
                    tracing::error!(%error, "the input cannot be read any more");
                    &[]
                }
            };
            if available.is_empty() {
                // The last line may lack its line feed.
                self.ended = true;
                return (!self.skipping && !self.line.is_empty()).then_some(Line::Whole);
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(available.len(), |at| at + 1);
            if !self.skipping {
                if self.line.len() + taken > self.max_line.saturating_add(1) {
                    self.line = Vec::new();
                    self.skipping = true;
                } else {
                    self.line.extend_from_slice(&available[..taken]);
                }
            }
            self.reader.consume(taken);
            if newline.is_some() {
                let too_long = std::mem::take(&mut self.skipping);
                return Some(if too_long { Line::TooLong } else { Line::Whole });
            }
        }
    }

    fn reject(&mut self, answer: ServerJsonRpcMessage) {
        self.rejecting = Some(tokio::spawn(self.output.write(answer)));
    }
}

enum Line {
    Whole,
    TooLong,
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        self.output.write(item)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let broken = self.output.broken.clone();
        loop {
            if let Some(rejecting) = &mut self.rejecting {
                // A failure has already been noted in `broken`.
                let _ = rejecting.await;
                self.rejecting = None;
            }
            let line = tokio::select! {
                biased;
                () = broken.cancelled() => return None,
                line = self.read_line() => line?,
            };
            match line {
                Line::TooLong => self.reject(wire::too_long(self.max_line)),
                Line::Whole => {
                    let decoded = wire::decode(&self.line);
                    self.line.clear();
                    match decoded {
                        Decoded::Message(message) => return Some(*message),
                        Decoded::Skip => {}
                        Decoded::Reject(answer) => self.reject(*answer),
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        // An answer that nobody takes holds the writer for ever.
        let closing = async { self.output.writer.lock().await.shutdown().await };
        tokio::time::timeout(CLOSE_LIMIT, closing).await?
    }
}

/// The writing side, shared by the answers that are being written.
struct Output<W> {
    writer: Arc<Mutex<W>>,
    /// Cancelled when a write failed: nobody reads, so reading on makes no sense.
    broken: CancellationToken,
}

impl<W: AsyncWrite + Send + Unpin + 'static> Output<W> {
    fn write(&self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let writer = Arc::clone(&self.writer);
        let broken = self.broken.clone();
        async move {
            let mut line = serde_json::to_vec(&message)?;
            line.push(b'\n');
            // While it waits for its turn, the line is enough.
            drop(message);
            let mut writer = writer.lock().await;
            let written = async {
                writer.write_all(&line).await?;
                writer.flush().await
            }
            .await;
            if let Err(error) = &written {
                tracing::warn!(%error, "the output is closed: the session ends");
                broken.cancel();
            }
            written
        }
    }
}
