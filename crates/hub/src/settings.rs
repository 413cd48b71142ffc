//! Where models come from and lie.

use std::path::PathBuf;

use types::Secret;
use url::Url;

/// The hub that models are fetched from, and the cache they lie in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// Its address, ending in `/`: https, or http on this machine.
    pub endpoint: Url,
    /// What it is signed in with: `HF_TOKEN`, else the file `token` in `HF_HOME`.
    pub token: Option<Secret>,
    /// The folder of the cache, an absolute path; need not exist yet.
    pub cache: PathBuf,
    /// The proxy for https, as the environment names it; it may hold a password.
    pub proxy: Option<Secret>,
    /// Hosts that are reached without it, separated by commas.
    pub no_proxy: Option<String>,
}

/// Whether an address is on this machine, so that nobody else hears what is said to it.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
