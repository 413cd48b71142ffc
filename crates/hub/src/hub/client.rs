//! The connection to a hub: what goes where, with which credentials, how often.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures::TryStreamExt;
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{NoProxy, Proxy, Response, redirect};
use url::Url;

use super::answers::{self, Asked, RemoteFile, TreeEntry};
use super::error::{Again, HubError};
use crate::name::{FileId, RepoId, is_plain};
use crate::settings::{HubSettings, is_loopback};
use crate::telling::Telling;
use text::{causes, near};

/// Redirects that are followed.
const MOST_HOPS: usize = 6;
/// Pauses before asking again: 250 ms, then twice as long each time; after the sixth, of 8 s, it is given up.
pub(super) const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_times(6);
/// Largest list that is read, in bytes, and in pages.
const LIST_LIMIT: usize = 8 << 20;
const MOST_PAGES: usize = 20;
/// Names that an error tells.
const NEAR: usize = 5;

/// A hub.
#[derive(Debug, Clone)]
pub struct Hub {
    http: reqwest::Client,
    settings: HubSettings,
}

impl Hub {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`HubError::Setup`] when TLS or the proxy cannot be set up.
    pub fn new(settings: HubSettings) -> Result<Self, HubError> {
        let builder = || {
            // What the environment says of proxies comes through the settings; redirects are followed here, without the
            // token.
            let mut builder = reqwest::Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .http1_only()
                .user_agent(concat!("prompt-calibrator/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(10))
                .read_timeout(Duration::from_secs(30));
            if let Some(proxy) = &settings.proxy {
                let proxy = Proxy::https(proxy.expose()).map_err(|_| unusable_proxy())?;
                let except = settings.no_proxy.as_deref().and_then(NoProxy::from_string);
                builder = builder.proxy(proxy.no_proxy(except));
            }
            Ok::<_, HubError>(builder)
        };
        let http = match builder()?.build() {
            // A machine without certificates can still ask a hub of its own.
            Err(_) if settings.endpoint.scheme() == "http" => builder()?.tls_certs_only([]).build(),
            built => built,
        };
        let http = http.map_err(|error| HubError::Setup(causes::all(&error)))?;
        Ok(Self { http, settings })
    }

    /// What the hub says of a file.
    ///
    /// # Errors
    /// [`HubError`]; for a file that is not there with those that are.
    pub async fn info(&self, id: &FileId, revision: &str, telling: &Telling) -> Result<RemoteFile, HubError> {
        let asked = self.asked(&id.repo, revision, Some(&id.file));
        let found = again(telling, || async {
            let mut url = self.file_url(id, revision);
            for _ in 0..MOST_HOPS {
                let response = self.send(Method::HEAD, &url, None).await?;
                let (status, headers) = (response.status(), response.headers());
                if !status.is_redirection() {
                    self.success(&asked, &response)?;
                    return RemoteFile::read(id.clone(), headers, false);
                }
                // Moved within the hub: the repository has another name now. Elsewhere lies the file itself.
                let next = next_hop(&url, headers)?;
                if next.origin() != self.settings.endpoint.origin() {
                    return RemoteFile::read(id.clone(), headers, true);
                }
                url = next;
            }
            Err(too_many_hops(&url))
        });
        match found.await {
            Err(HubError::NoFile { repo, file, .. }) => {
                // A hub that does not say which of the two is missing is asked; a list that does not come changes nothing.
                let near = match self.files(&id.repo, revision, telling).await {
                    Ok(files) => {
                        let names = files.iter().map(String::as_str);
                        near::nearest(&file, names.filter(|name| name.to_lowercase().ends_with(".gguf")), NEAR)
                    }
                    Err(error @ (HubError::NoRepository { .. } | HubError::NoRevision { .. })) => return Err(error),
                    Err(_) => Vec::new(),
                };
                Err(HubError::NoFile { repo, file, near })
            }
            found => found,
        }
    }

    /// The paths of a repository's files.
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn files(&self, repo: &RepoId, revision: &str, telling: &Telling) -> Result<Vec<String>, HubError> {
        let asked = self.asked(repo, revision, None);
        let mut url = self.url(
            ["api", "models"]
                .into_iter()
                .chain(repo.as_str().split('/'))
                .chain(["tree", revision]),
        );
        url.query_pairs_mut().append_pair("recursive", "true");
        let mut files = Vec::new();
        for _ in 0..MOST_PAGES {
            let (page, next) = again(telling, || self.list(&asked, &url)).await?;
            let page = page
                .into_iter()
                .filter(|entry| entry.kind == "file" && is_plain(&entry.path));
            files.extend(page.map(|entry| entry.path));
            match next {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(files)
    }

    async fn list(&self, asked: &Asked<'_>, url: &Url) -> Result<(Vec<TreeEntry>, Option<Url>), HubError> {
        let response = self.follow(url, None).await?;
        self.success(asked, &response)?;
        let wrong = |detail: String| HubError::BadAnswer {
            what: asked.what(),
            detail,
        };
        let next = answers::next_page(response.headers()).and_then(|next| url.join(&next).ok());
        let mut body = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.try_next().await.map_err(|error| transport(&error, url))? {
            body.extend_from_slice(&chunk);
            if body.len() > LIST_LIMIT {
                return Err(wrong(format!("it is longer than {LIST_LIMIT} bytes")));
            }
        }
        let entries =
            serde_json::from_slice(&body).map_err(|error| wrong(format!("it is no list of files ({error})")))?;
        // A list that goes on elsewhere would be another hub's.
        let next = next.filter(|next| next.origin() == url.origin() && next != url);
        Ok((entries, next))
    }

    /// The bytes of a file from `range` on: the answer may hold all of it instead (200), where ranges are not known.
    /// `known` is where an earlier answer came from, which spares the way over the hub.
    pub(super) async fn open(
        &self,
        file: &RemoteFile,
        range: std::ops::Range<u64>,
        known: Option<Url>,
    ) -> Result<Response, HubError> {
        let asked = self.asked(&file.id.repo, &file.commit, Some(&file.id.file));
        if let Some(url) = known {
            let response = self.send(Method::GET, &url, Some(&range)).await?;
            // Addresses that are lent for a time run out, and every store has its own way of saying so.
            let status = response.status();
            if status.is_success() || status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                self.success(&asked, &response)?;
                return Ok(response);
            }
        }
        let response = self
            .follow(&self.file_url(&file.id, &file.commit), Some(&range))
            .await?;
        self.success(&asked, &response)?;
        Ok(response)
    }

    /// GET, wherever that leads.
    async fn follow(&self, url: &Url, range: Option<&std::ops::Range<u64>>) -> Result<Response, HubError> {
        let mut url = url.clone();
        for _ in 0..MOST_HOPS {
            let response = self.send(Method::GET, &url, range).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            url = next_hop(&url, response.headers())?;
        }
        Err(too_many_hops(&url))
    }

    /// One request. The token goes to the hub itself and to nobody else.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        range: Option<&std::ops::Range<u64>>,
    ) -> Result<Response, HubError> {
        let mut request = self
            .http
            .request(method, url.clone())
            .header(header::ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            let last = range.end.saturating_sub(1);
            request = request.header(header::RANGE, format!("bytes={}-{last}", range.start));
        }
        if let Some(token) = &self.settings.token
            && url.origin() == self.settings.endpoint.origin()
        {
            request = request.bearer_auth(token.expose());
        }
        request.send().await.map_err(|error| transport(&error, url))
    }

    fn success(&self, asked: &Asked<'_>, response: &Response) -> Result<(), HubError> {
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(()),
            status => Err(asked.refused(status, response.headers())),
        }
    }

    fn asked<'a>(&'a self, repo: &'a RepoId, revision: &'a str, file: Option<&'a str>) -> Asked<'a> {
        Asked {
            endpoint: &self.settings.endpoint,
            repo: repo.as_str(),
            revision,
            file,
            had_token: self.settings.token.is_some(),
        }
    }

    fn file_url(&self, id: &FileId, revision: &str) -> Url {
        let head = id.repo.as_str().split('/').chain(["resolve", revision]);
        self.url(head.chain(id.file.split('/')))
    }

    /// An address below the hub's; a slash within a segment is escaped.
    fn url<'s>(&self, segments: impl Iterator<Item = &'s str>) -> Url {
        let mut url = self.settings.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// Asks again where that may help, after pauses that grow, and tells so.
async fn again<T, F>(telling: &Telling, ask: impl FnMut() -> F) -> Result<T, HubError>
where
    F: Future<Output = Result<T, HubError>>,
{
    ask.retry(PAUSES)
        // Nothing answers at all: that is better said at once, while somebody is looking.
        .when(|error| !matches!(error, HubError::Unreachable { .. }))
        .adjust(|error, usual| pause(error, usual?))
        .notify(|error, pause| note_pause(telling, error, pause))
        .await
}

/// How long to wait before asking again, where `usual` is what is waited otherwise; None where asking again is of no use.
pub(super) fn pause(error: &HubError, usual: Duration) -> Option<Duration> {
    match error.again() {
        Again::Never => None,
        Again::Later => Some(usual),
        Again::After(wanted) => Some(wanted),
    }
}

/// Says that there is a pause, where it is long enough to be noticed.
pub(super) fn note_pause(telling: &Telling, error: &HubError, pause: Duration) {
    if pause >= Duration::from_secs(2) {
        telling.note(format!("{error}; trying again in {} s", pause.as_secs()));
    }
}

/// Where an answer sends on to. Only https, or this machine: what is fetched is loaded.
fn next_hop(from: &Url, headers: &HeaderMap) -> Result<Url, HubError> {
    let location = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok());
    let to = to.ok_or_else(|| HubError::Redirect {
        to: "nowhere".into(),
        why: "a redirect without an address",
    })?;
    match to.scheme() {
        "https" => Ok(to),
        "http" if is_loopback(&to) && is_loopback(from) => Ok(to),
        _ => Err(HubError::Redirect {
            to: shown(&to),
            why: "which is neither https nor this machine",
        }),
    }
}

fn too_many_hops(url: &Url) -> HubError {
    HubError::Redirect {
        to: shown(url),
        why: "after too many redirects",
    }
}

/// An address without its query, which may hold a signature.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), answers::host(url), url.path())
}

fn unusable_proxy() -> HubError {
    HubError::Setup("the proxy's address is none; it is not shown".into())
}

/// What a failed exchange means.
pub(super) fn transport(error: &reqwest::Error, url: &Url) -> HubError {
    let innermost = causes::innermost(error);
    match error.is_connect() {
        true => HubError::Unreachable {
            host: answers::host(url),
            detail: innermost,
        },
        false if error.is_timeout() => HubError::Broken("nothing came for 30 seconds".into()),
        false => HubError::Broken(innermost),
    }
}
