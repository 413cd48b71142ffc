//! What a hub's answers mean. No I/O.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::error::HubError;
use crate::name::{FileId, is_plain};

/// Largest size that is believed, in bytes: a petabyte.
const LARGEST: u64 = 1 << 50;

/// What a hub says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Which file.
    pub id: FileId,
    /// The commit that the revision means.
    pub commit: String,
    /// Its size in bytes.
    pub size: u64,
    /// The hub's name for its content: the name of its blob in the cache.
    pub etag: String,
}

impl RemoteFile {
    /// Reads the headers of the answer to `HEAD /{repo}/resolve/{revision}/{file}`. `redirected`: it sends on to where
    /// the file lies, so that `Content-Length` is not the file's.
    pub(super) fn read(id: FileId, headers: &HeaderMap, redirected: bool) -> Result<Self, HubError> {
        let lacks = |header: &str| HubError::BadAnswer {
            what: format!("the question about {}", id.file),
            detail: format!("it has no usable {header}"),
        };
        let commit = text(headers, "x-repo-commit").filter(|commit| is_commit(commit));
        let commit = commit.ok_or_else(|| lacks("X-Repo-Commit"))?.to_owned();
        let etag = text(headers, "x-linked-etag").or_else(|| text(headers, header::ETAG.as_str()));
        let etag = etag
            .map(plain_etag)
            .filter(|etag| is_etag(etag))
            .ok_or_else(|| lacks("ETag"))?
            .to_owned();
        let length = || text(headers, header::CONTENT_LENGTH.as_str()).filter(|_| !redirected);
        let size = text(headers, "x-linked-size").or_else(length);
        let size = size
            .and_then(|size| size.parse().ok())
            .filter(|size| (1..=LARGEST).contains(size));
        let size = size.ok_or_else(|| lacks("X-Linked-Size"))?;
        Ok(Self { id, commit, size, etag })
    }

    /// Its sha256 in lower case hex digits; None for small files that git keeps itself, which have another hash.
    pub fn sha256(&self) -> Option<&str> {
        (self.etag.len() == 64 && self.etag.bytes().all(|b| b.is_ascii_hexdigit())).then_some(&*self.etag)
    }
}

/// Whether a text is a commit.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// It becomes a file's name.
fn is_etag(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    is_plain(text) && text.len() <= 128 && text.bytes().all(fine)
}

fn plain_etag(text: &str) -> &str {
    text.strip_prefix("W/").unwrap_or(text).trim_matches('"')
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Who was asked for what; for errors.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    pub endpoint: &'a Url,
    pub repo: &'a str,
    pub revision: &'a str,
    pub file: Option<&'a str>,
    pub had_token: bool,
}

impl Asked<'_> {
    /// The hub's name.
    pub(super) fn host(&self) -> String {
        host(self.endpoint)
    }

    fn page(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    /// What a status that is no success means. What a hub says beside it (`X-Error-Code`) tells more than the status.
    pub(super) fn refused(&self, status: StatusCode, headers: &HeaderMap) -> HubError {
        let repo = self.repo.to_owned();
        let code = text(headers, "x-error-code").unwrap_or_default();
        let gated = code == "GatedRepo";
        match (status.as_u16(), code) {
            (404, "RevisionNotFound") => HubError::NoRevision {
                repo,
                revision: self.revision.to_owned(),
            },
            (404, code) => match self.file {
                Some(file) if code != "RepoNotFound" => HubError::NoFile {
                    repo,
                    file: file.to_owned(),
                    near: Vec::new(),
                },
                _ => HubError::NoRepository {
                    repo,
                    host: self.host(),
                },
            },
            (401, _) if !gated => HubError::SignIn {
                repo,
                had_token: self.had_token,
                tokens: self.page("settings/tokens"),
            },
            (401 | 403, _) => HubError::Forbidden {
                page: self.page(&repo),
                repo,
                said: said(headers),
                had_token: self.had_token,
            },
            (429, _) => HubError::TooMany {
                wait: retry_after(headers),
            },
            (status, _) => HubError::Status {
                what: self.what(),
                status,
            },
        }
    }

    /// What was asked, in words.
    pub(super) fn what(&self) -> String {
        match self.file {
            Some(file) => format!("the question about {file}"),
            None => format!("the question about the files of {}", self.repo),
        }
    }
}

/// The host of an address, with its port where that is not the usual one.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What the hub says in words, shortened and without control characters.
fn said(headers: &HeaderMap) -> String {
    let text = text(headers, "x-error-message").unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The wait that a hub asks for, in seconds; a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = text(headers, header::RETRY_AFTER.as_str())?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The bytes that an answer to a request for a range holds, and the whole file's size: `bytes 0-9/100`.
pub(super) fn content_range(headers: &HeaderMap) -> Option<(std::ops::Range<u64>, u64)> {
    let rest = text(headers, header::CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?;
    let (range, total) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..last.checked_add(1)?, total.parse().ok()?))
}

/// An entry of `GET /api/models/{repo}/tree/{revision}`.
#[derive(Debug, Deserialize)]
pub(super) struct TreeEntry {
    #[serde(rename = "type")]
    pub kind: String,
    pub path: String,
}

/// The next page of a list: `<…>; rel="next"`.
pub(super) fn next_page(headers: &HeaderMap) -> Option<String> {
    let link = text(headers, header::LINK.as_str())?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let (_, rest) = next.split_once('<')?;
    rest.split_once('>').map(|(address, _)| address.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::name::RepoId;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    fn read(pairs: &[(&'static str, &str)], redirected: bool) -> Result<RemoteFile, HubError> {
        let id = FileId {
            repo: RepoId::parse("o/r").unwrap(),
            file: "m.gguf".into(),
        };
        RemoteFile::read(id, &headers(pairs), redirected)
    }

    #[test]
    fn what_is_linked_counts_more_than_the_answer_itself() {
        let sha = "ab".repeat(32);
        let linked = [
            ("x-repo-commit", COMMIT),
            ("x-linked-etag", &format!("\"{sha}\"")),
            ("x-linked-size", "500"),
            ("etag", "\"other\""),
            ("content-length", "7"),
        ];
        let file = read(&linked, true).unwrap();
        assert_eq!(
            (file.size, file.sha256(), file.commit.as_str()),
            (500, Some(&*sha), COMMIT)
        );
        let small = [
            ("x-repo-commit", COMMIT),
            ("etag", "W/\"abc\""),
            ("content-length", "7"),
        ];
        let file = read(&small, false).unwrap();
        assert_eq!((file.size, file.sha256(), file.etag.as_str()), (7, None, "abc"));
        assert!(read(&small, true).unwrap_err().to_string().contains("X-Linked-Size"));
    }

    #[test]
    fn what_would_become_a_wrong_path_is_refused() {
        for etag in ["../../x", "", "a/b", ".", "a b", "\"\""] {
            let pairs = [
                ("x-repo-commit", COMMIT),
                ("x-linked-etag", etag),
                ("content-length", "7"),
            ];
            assert!(matches!(read(&pairs, false), Err(HubError::BadAnswer { .. })), "{etag}");
        }
        for commit in ["main", "../0123456789abcdef0123456789abcdef01234", ""] {
            let pairs = [("x-repo-commit", commit), ("etag", "a"), ("content-length", "7")];
            assert!(read(&pairs, false).is_err(), "{commit}");
        }
        for size in ["0", "-1", "many", "99999999999999999999999", "18446744073709551615"] {
            let pairs = [("x-repo-commit", COMMIT), ("etag", "a"), ("x-linked-size", size)];
            assert!(read(&pairs, false).is_err(), "{size}");
        }
    }

    #[test]
    fn ranges_pages_and_waits_are_read() {
        let range = |text: &str| content_range(&headers(&[("content-range", text)]));
        assert_eq!(range("bytes 10-19/100"), Some((10..20, 100)));
        for bad in [
            "bytes */100",
            "bytes 1-2/*",
            "10-19/100",
            "bytes 0-18446744073709551615/1",
        ] {
            assert_eq!(range(bad), None, "{bad}");
        }
        let link = headers(&[("link", "<https://h/p?cursor=a,b>; rel=\"next\"")]);
        assert_eq!(
            next_page(&link),
            None,
            "a comma in an address is not expected, and harmless"
        );
        let link = headers(&[(
            "link",
            "<https://h/0>; rel=\"first\", <https://h/p?cursor=a>; rel=\"next\"",
        )]);
        assert_eq!(next_page(&link).as_deref(), Some("https://h/p?cursor=a"));
        let asked = Asked {
            endpoint: &Url::parse("https://hub.example/").unwrap(),
            repo: "o/r",
            revision: "main",
            file: Some("m.gguf"),
            had_token: false,
        };
        let refused = |status, pairs: &[(&'static str, &str)]| {
            asked.refused(StatusCode::from_u16(status).unwrap(), &headers(pairs))
        };
        let wait = Some(Duration::from_secs(7));
        assert_eq!(refused(429, &[("retry-after", "7")]), HubError::TooMany { wait });
        for (status, code, wanted) in [
            (401, "", "https://hub.example/settings/tokens"),
            (401, "GatedRepo", "https://hub.example/o/r in a browser"),
            (403, "", "https://hub.example/o/r in a browser"),
            (404, "RepoNotFound", "owner/name"),
            (404, "RevisionNotFound", "--revision"),
            (503, "", "later"),
        ] {
            let error = refused(status, &[("x-error-code", code)]);
            assert!(error.hint().contains(wanted), "{status} {code}: {}", error.hint());
        }
    }
}
