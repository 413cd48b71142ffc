//! Who may talk to the HTTP server: checks of `Host`, `Origin` and the bearer token, before any route sees a request.
//!
//! A web page can make a browser send requests to this machine. `Host` tells when it got here through a name of its own
//! (DNS rebinding), `Origin` where the page comes from. Programs that are no browsers send no `Origin`. A page of another
//! program on this machine is a stranger too, unless it knows the token: any web server here could serve it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, HOST, ORIGIN, VARY, WWW_AUTHENTICATE,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use subtle::ConstantTimeEq;
use url::{Host, Url};

/// Path that answers without a token: it tells nothing but that the server runs.
pub(super) const HEALTH_PATH: &str = "/health";

/// What is allowed in, resolved once.
#[derive(Clone)]
pub struct Guard {
    bound: SocketAddr,
    token: Option<String>,
    /// Serialised origins, such as `https://app.example:8443`.
    origins: Vec<String>,
    /// Lower-case host names without a port.
    hosts: Vec<String>,
}

/// An entry of the list of allowed origins that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin:?} is not an origin: {reason}")]
pub struct BadOrigin {
    /// The entry as it was given.
    pub origin: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `Host` is missing, malformed, repeated or names another host.
    #[error("Forbidden: the Host header does not name this server. Use its address or localhost.")]
    Host,
    /// `Origin` is neither the server's own nor in the list.
    #[error(
        "Forbidden: this Origin is not allowed. Start the server with --allow-origin and this origin, or with a token."
    )]
    Origin,
    /// The token is missing or wrong.
    #[error("Unauthorized: send the server's token as \"Authorization: Bearer TOKEN\".")]
    Token,
}

impl Refusal {
    /// The status that tells it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Origin => StatusCode::FORBIDDEN,
            Self::Token => StatusCode::UNAUTHORIZED,
        }
    }
}

impl Guard {
    /// A guard for a server bound to `bound`. Loopback names and the server's own origin are always allowed; `origins` and
    /// `hosts` add to them. With a `token`, so are all origins on this machine; without one everybody who passes the other
    /// checks is let in.
    ///
    /// # Errors
    /// [`BadOrigin`] for an origin that is not `http(s)://host[:port]`.
    pub fn new(
        bound: SocketAddr,
        token: Option<String>,
        origins: &[String],
        hosts: &[String],
    ) -> Result<Self, BadOrigin> {
        Ok(Self {
            bound,
            token,
            origins: origins
                .iter()
                .map(|origin| {
                    web_origin(origin)
                        .map(|url| url.origin().ascii_serialization())
                        .map_err(|reason| BadOrigin {
                            origin: origin.clone(),
                            reason,
                        })
                })
                .collect::<Result<_, _>>()?,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        })
    }

    /// Checks one request's target and headers. Returns the allowed `Origin`, if the request has one.
    ///
    /// # Errors
    /// [`Refusal`], the first of host, origin and token that does not hold. A preflight (`OPTIONS` with an `Origin`) and the
    /// health check need no token.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
        if !self.host_allowed(uri, headers) {
            return Err(Refusal::Host);
        }
        let origin = match single(headers, &ORIGIN) {
            Ok(None) => None,
            Ok(Some(origin)) if origin.to_str().is_ok_and(|o| self.origin_allowed(o)) => Some(origin.clone()),
            Ok(Some(_)) | Err(Repeated) => return Err(Refusal::Origin),
        };
        let preflight = method == Method::OPTIONS && origin.is_some();
        if !preflight && uri.path() != HEALTH_PATH && !self.token_holds(headers) {
            return Err(Refusal::Token);
        }
        Ok(origin)
    }

    fn host_allowed(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let authority = match single(headers, &HOST) {
            Ok(Some(host)) => host.to_str().ok().and_then(|host| host.parse().ok()),
            // HTTP/2 has the host in the request line.
            Ok(None) => uri.authority().cloned(),
            Err(Repeated) => None,
        };
        authority.is_some_and(|authority: Authority| {
            let name = authority.host().to_ascii_lowercase();
            match name.trim_start_matches('[').trim_end_matches(']').parse() {
                Ok(address) => self.address_allowed(address),
                Err(_) => name == "localhost" || self.hosts.contains(&name),
            }
        })
    }

    /// A page that came through a name cannot send an address as `Host`. So when the server listens on every interface,
    /// each of its addresses will do.
    fn address_allowed(&self, address: IpAddr) -> bool {
        let bound = self.bound.ip().to_canonical();
        let address = address.to_canonical();
        address.is_loopback() || address == bound || bound.is_unspecified()
    }

    fn origin_allowed(&self, origin: &str) -> bool {
        web_origin(origin).is_ok_and(|url| {
            let local = match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            };
            let own = url.port_or_known_default() == Some(self.bound.port());
            local && (own || self.token.is_some()) || self.origins.contains(&url.origin().ascii_serialization())
        })
    }

    fn token_holds(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let given = single(headers, &AUTHORIZATION)
            .ok()
            .flatten()
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, given)| given.trim());
        // Takes the same time wherever the first difference is.
        given.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

struct Repeated;

fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Result<Option<&'a HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        Some(_) => Err(Repeated),
        None => Ok(first),
    }
}

fn web_origin(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it must start with http:// or https://".to_owned());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("it has more than scheme, host and port".to_owned());
    }
    Ok(url)
}

/// The middleware: refuses, answers preflights, and lets pages of allowed origins read the answers.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let origin = match guard.check(request.method(), request.uri(), request.headers()) {
        Ok(origin) => origin,
        Err(refusal) => {
            tracing::warn!(?refusal, path = request.uri().path(), "a request was refused");
            return refuse(refusal);
        }
    };
    let Some(origin) = origin else {
        return next.run(request).await;
    };
    let mut response = if request.method() == Method::OPTIONS {
        preflight()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate"),
    );
    response
}

fn refuse(refusal: Refusal) -> Response {
    let mut response = Response::new(Body::from(refusal.to_string()));
    *response.status_mut() = refusal.status();
    if refusal == Refusal::Token {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, DELETE"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests;
