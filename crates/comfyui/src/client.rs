//! The connection to one ComfyUI server: address, credentials, limits, and the reading of answers.
//!
//! The calls themselves are in [`super::calls`], the WebSocket in `socket`.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, redirect};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::definitions::Definitions;
use super::error::ComfyError;
use super::rejection::said;
use super::replacements::Replacements;
use super::tls::{TlsTrouble, check_file, trouble};
use text::bounded::{self, JsonLimit, Unread};
use text::causes;

/// How much is read of an answer; the largest is the definition of a node class, which lists every file of a folder.
const ANSWER: JsonLimit = JsonLimit {
    bytes: 8 * 1024 * 1024,
    values: 100_000,
};
/// How much is read of the record of a run: its graph, the page's own form of it, and its outputs.
pub(super) const RECORD: JsonLimit = JsonLimit {
    bytes: 32 * 1024 * 1024,
    values: 500_000,
};
/// How much of the body of a failed answer is read, in bytes.
const ERROR_BODY_LIMIT: u64 = 1024 * 1024;
/// How long a port that did not answer may take to show whether it speaks TLS.
const TLS_LIMIT: Duration = Duration::from_secs(3);

/// How to reach one ComfyUI server.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `http` or `https` address; it may have a path prefix (`https://host/comfy/`).
    pub base_url: Url,
    /// Limit for making a connection.
    pub connect_timeout: Duration,
    /// Limit for one request with its answer.
    pub request_timeout: Duration,
    /// Credentials for a proxy in front of ComfyUI, which has none of its own.
    pub auth: Auth,
    /// The file of trusted certificates that the user's environment names, where it names one.
    pub certificates: Option<PathBuf>,
}

impl ClientConfig {
    /// Five seconds to connect, thirty for a request, no credentials.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            auth: Auth::None,
            certificates: None,
        }
    }
}

/// Credentials sent with every request. `Debug` does not show them.
#[derive(Clone, Default)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// `Authorization: Bearer …`
    Bearer(String),
    /// `Authorization: Basic …`
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer(..)",
            Self::Basic { .. } => "Basic(..)",
        })
    }
}

/// A client of one ComfyUI server. Cloning is cheap and shares connections and the cache of node definitions.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    http: reqwest::Client,
    /// It has answered before, so the scheme of the address is right.
    has_answered: AtomicBool,
    definitions: Mutex<Definitions>,
    replacements: Mutex<Arc<Replacements>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.url_for_people())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ComfyError::Config`] when the address is not http(s) or the TLS setup fails; [`ComfyError::CertificateFile`].
    pub fn new(config: ClientConfig) -> Result<Self, ComfyError> {
        if !matches!(config.base_url.scheme(), "http" | "https") || config.base_url.host().is_none() {
            let detail = format!("{} is not an http:// or https:// address", config.base_url);
            return Err(ComfyError::Config { detail });
        }
        // No proxy from the environment (the library reads none) and no redirects: they would carry a prompt elsewhere.
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .http1_only()
            .connect_timeout(config.connect_timeout);
        if config.base_url.scheme() == "http" {
            // Looking for the system's certificates, which nothing here needs, fails on a machine that has none.
            builder = builder.tls_certs_only([]);
        } else if let Some(path) = &config.certificates {
            check_file(path)?;
        }
        let http = builder.build().map_err(|error| ComfyError::Config {
            detail: causes::all(&error),
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                http,
                has_answered: AtomicBool::new(false),
                definitions: Mutex::default(),
                replacements: Mutex::default(),
            }),
        })
    }

    /// The base address without credentials, for messages.
    pub fn url_for_people(&self) -> String {
        let mut url = self.inner.config.base_url.clone();
        // Neither can fail for an http address with a host, which `new` made sure of.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }

    /// Whether the server is reached without leaving this machine, as far as its address tells.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.inner.config.base_url.host() {
            Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
            Some(url::Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
            None => false,
        }
    }

    /// Limit for one request, as configured.
    pub(super) fn request_timeout(&self) -> Duration {
        self.inner.config.request_timeout
    }

    /// The cache of node definitions; a panic elsewhere leaves it usable.
    pub(super) fn with_definitions<T>(&self, act: impl FnOnce(&mut Definitions) -> T) -> T {
        act(&mut self.inner.definitions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the server was last said to run in place of classes that it does not have.
    pub(super) fn kept_replacements(&self) -> &Mutex<Arc<Replacements>> {
        &self.inner.replacements
    }

    /// A request to `segments` below the base address with query pairs and credentials.
    pub(super) fn request(&self, method: Method, segments: &[&str], query: &[(&str, &str)]) -> Request {
        let mut url = self.inner.config.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let label = format!("{method} /{}", segments.join("/"));
        let builder = self.inner.http.request(method, url);
        let builder = match &self.inner.config.auth {
            Auth::None => builder,
            Auth::Bearer(token) => builder.bearer_auth(token),
            Auth::Basic { user, password } => builder.basic_auth(user, Some(password)),
        };
        Request { builder, label }
    }

    /// Sends within the request limit; any status comes back.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, ComfyError> {
        let limit = self.request_timeout();
        let response = request.builder.timeout(limit).send().await;
        match response {
            Ok(response) => {
                self.inner.has_answered.store(true, Ordering::Relaxed);
                Ok(Answer {
                    response,
                    label: request.label,
                    limit,
                })
            }
            Err(error) => match self.transport_error(&error, request.label) {
                ComfyError::Broken { .. } if self.speaks_tls_instead().await => {
                    let url = self.url_for_people();
                    let detail = format!("{url} is a port that speaks HTTPS: write https:// instead of http://");
                    Err(ComfyError::Config { detail })
                }
                error => Err(error),
            },
        }
    }

    /// Whether a server that broke off every http:// request so far does so because it expects TLS: then it answers over TLS, or
    /// shows a certificate that nobody here trusts.
    async fn speaks_tls_instead(&self) -> bool {
        let mut url = self.inner.config.base_url.clone();
        if url.scheme() != "http" || self.inner.has_answered.load(Ordering::Relaxed) {
            return false;
        }
        let port = url.port_or_known_default();
        if url.set_scheme("https").and_then(|()| url.set_port(port)).is_err() {
            return false;
        }
        url.set_path("/");
        match self.inner.http.get(url).timeout(TLS_LIMIT).send().await {
            Ok(_) => true,
            Err(error) => matches!(trouble(&error), Some(TlsTrouble::Certificate(_))),
        }
    }

    /// Sends and reads a JSON answer of status 200.
    pub(super) async fn json(&self, request: Request) -> Result<Value, ComfyError> {
        self.json_within(request, ANSWER).await
    }

    /// The same, as far as `limit` allows.
    pub(super) async fn json_within(&self, request: Request, limit: JsonLimit) -> Result<Value, ComfyError> {
        self.send(request).await?.success().await?.json_within(limit).await
    }

    /// Sends and expects status 200; the body is of no interest.
    pub(super) async fn accepted(&self, request: Request) -> Result<(), ComfyError> {
        self.send(request).await?.success().await.map(drop)
    }

    /// Says what a failed exchange means: never connected, too slow, or broken on the way.
    pub(super) fn transport_error(&self, error: &reqwest::Error, request: String) -> ComfyError {
        if error.is_connect() {
            let url = self.url_for_people();
            match trouble(error) {
                Some(TlsTrouble::Certificate(why)) => ComfyError::Certificate { url, why },
                Some(TlsTrouble::NotTls) => ComfyError::Config {
                    detail: format!("{url} is a port that does not speak HTTPS: write http:// instead of https://"),
                },
                None => ComfyError::Unreachable {
                    url,
                    detail: causes::innermost(error),
                },
            }
        } else if error.is_timeout() {
            ComfyError::Timeout {
                what: format!("the answer to {request}"),
                limit: self.request_timeout(),
            }
        } else if error.is_builder() {
            ComfyError::Config {
                detail: causes::all(error),
            }
        } else {
            ComfyError::Broken {
                request,
                detail: causes::all(error),
            }
        }
    }
}

/// A request under construction, and its name in messages.
pub(super) struct Request {
    pub(super) builder: RequestBuilder,
    pub(super) label: String,
}

impl Request {
    /// Adds a JSON body.
    pub(super) fn with_json(mut self, body: &impl Serialize) -> Self {
        self.builder = self.builder.json(body);
        self
    }
}

/// An answer whose body has not been read.
pub(super) struct Answer {
    pub(super) response: Response,
    label: String,
    limit: Duration,
}

/// What a body is where it is a web page in the place of JSON.
pub(super) fn web_page(body: &[u8]) -> Option<String> {
    let page = body.trim_ascii_start().starts_with(b"<");
    page.then(|| format!("it is {}", said(body)))
}

impl Answer {
    /// HTTP status code.
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The answer itself when its status is 2xx.
    pub(super) async fn success(self) -> Result<Self, ComfyError> {
        if self.response.status().is_success() {
            return Ok(self);
        }
        let (request, status) = (self.label.clone(), self.status());
        let body = self.bytes(ERROR_BODY_LIMIT).await.unwrap_or_default();
        Err(ComfyError::Http {
            request,
            status,
            body: said(&body),
        })
    }

    /// The body as JSON.
    pub(super) async fn json(self) -> Result<Value, ComfyError> {
        self.json_within(ANSWER).await
    }

    /// The same, as far as `limit` allows.
    async fn json_within(self, limit: JsonLimit) -> Result<Value, ComfyError> {
        let what = self.what();
        let body = self.text(limit.bytes as u64).await?;
        bounded::parse(&body, limit.values).map_err(|unread| match unread {
            Unread::TooMany { limit } => ComfyError::TooMuchJson {
                what,
                limit: format!("{limit} values"),
            },
            Unread::Syntax(error) => ComfyError::BadAnswer {
                what,
                detail: web_page(&body).unwrap_or_else(|| format!("it is not JSON ({error})")),
            },
        })
    }

    /// The text of a JSON body; reading stops at `limit` bytes.
    pub(super) async fn text(self, limit: u64) -> Result<Vec<u8>, ComfyError> {
        self.bytes(limit).await.map_err(|error| match error {
            ComfyError::TooLarge { what, limit } => ComfyError::TooMuchJson {
                what,
                limit: format!("{limit} bytes"),
            },
            other => other,
        })
    }

    /// Its name in messages.
    pub(super) fn what(&self) -> String {
        format!("the answer to {}", self.label)
    }

    /// The body, streamed; reading stops at `limit` bytes.
    pub(super) async fn bytes(self, limit: u64) -> Result<Vec<u8>, ComfyError> {
        let mut body = Vec::new();
        self.bytes_into(limit, &mut body).await?;
        Ok(body)
    }

    /// The same into `sink`; how many they were.
    pub(super) async fn bytes_into(mut self, limit: u64, sink: &mut (impl Write + Send)) -> Result<u64, ComfyError> {
        let what = || format!("the answer to {}", self.label);
        let too_large = || ComfyError::TooLarge { what: what(), limit };
        if self
            .response
            .content_length()
            .is_some_and(|announced| announced > limit)
        {
            return Err(too_large());
        }
        let mut taken = 0;
        loop {
            match self.response.chunk().await {
                Ok(Some(chunk)) if taken + chunk.len() as u64 > limit => return Err(too_large()),
                Ok(Some(chunk)) => {
                    taken += chunk.len() as u64;
                    sink.write_all(&chunk).map_err(|error| ComfyError::BadAnswer {
                        what: what(),
                        detail: format!("it could not be put aside ({error})"),
                    })?;
                }
                Ok(None) => return Ok(taken),
                Err(error) if error.is_timeout() => {
                    return Err(ComfyError::Timeout {
                        what: what(),
                        limit: self.limit,
                    });
                }
                Err(error) => {
                    let detail = format!("it ends after {taken} bytes ({})", causes::all(&error));
                    return Err(ComfyError::BadAnswer { what: what(), detail });
                }
            }
        }
    }
}
