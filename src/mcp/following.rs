//! Subscriptions: a client is told when a session changes, whoever changed it.
//!
//! The history is looked at once a second, by one task for all clients ([`history::Store::changes`]), so that the work of another
//! server on the same data folder is noticed as well. A notification says that something is new, not what: the client reads the
//! resource.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{ErrorData, ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::SubscriptionContext;
use rmcp::{Peer, RoleServer};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::resources::{Address, absent};
use crate::session::Service;
use history::{HistoryError, Stamp};
use types::{SessionId, hint};

/// When to look again after a look that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Addresses that one client may follow.
const MOST: usize = 64;

/// Of what a subscription of revision 2026-07-28 asks for, what this server can tell of: its own addresses that change, each once.
#[must_use]
pub fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut uris: Vec<String> = Vec::new();
    for uri in requested.resource_subscriptions.iter().flatten() {
        let changes = uri.parse::<Address>().is_ok_and(|address| scope(&address).is_some());
        if changes && uris.len() < MOST && !uris.contains(uri) {
            uris.push(uri.clone());
        }
    }
    let mut accepted = SubscriptionFilter::new();
    accepted.resource_subscriptions = (!uris.is_empty()).then_some(uris);
    accepted
}

/// What an address's content depends on; nothing, where it never changes.
fn scope(address: &Address) -> Option<Option<SessionId>> {
    match address {
        Address::Sessions => Some(None),
        Address::Session(id) | Address::Report(id) | Address::Iteration(id, _) | Address::Workflow(id, _) => {
            Some(Some(id.clone()))
        }
        Address::Picture(_) | Address::Preview(_) | Address::Rubric(_) | Address::App => None,
    }
}

/// One address that is followed.
struct Followed {
    uri: String,
    scope: Option<SessionId>,
    seen: Option<Stamp>,
}

impl Followed {
    /// Begins to follow. `None` for what never changes; addresses of others may be asked for and never change here.
    async fn begin(service: &Service, uri: &str) -> Result<Option<Self>, ErrorData> {
        let Some(scope) = uri.parse::<Address>().ok().as_ref().and_then(scope) else {
            return Ok(None);
        };
        let seen = match service.stamp(scope.as_ref()).await {
            Ok(stamp) => Some(stamp),
            Err(error) if error.is_absence() => return Err(absent(uri)),
            Err(error) => return Err(ErrorData::internal_error(hint::in_words(&error), None)),
        };
        let uri = uri.to_owned();
        Ok(Some(Self { uri, scope, seen }))
    }

    /// Whether it changed since the last look.
    async fn changed(&mut self, service: &Service) -> Result<bool, HistoryError> {
        let now = match service.stamp(self.scope.as_ref()).await {
            Ok(stamp) => Some(stamp),
            // Removed: that is news, once.
            Err(HistoryError::UnknownSession(_)) => None,
            Err(error) => return Err(error),
        };
        let changed = now != self.seen;
        self.seen = now;
        Ok(changed)
    }
}

/// Tells of every change of what is followed, until nobody hears it. `changes` are those of the history, heard since before the
/// first look.
async fn tell<F: Future<Output = bool>>(
    service: &Service,
    mut changes: watch::Receiver<()>,
    mut followed: Vec<Followed>,
    heard: impl Fn(String) -> F,
) {
    loop {
        let mut failed = false;
        for one in &mut followed {
            match one.changed(service).await {
                Ok(false) => {}
                Ok(true) => {
                    if !heard(one.uri.clone()).await {
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, uri = one.uri, "a followed session could not be looked at");
                    failed = true;
                }
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if failed => {}
        }
    }
}

/// What one client follows in the way of the revisions with sessions. Dropping it ends that.
#[derive(Clone, Default)]
pub struct Following {
    /// What ends each.
    followed: Arc<Mutex<HashMap<String, DropGuard>>>,
}

impl Following {
    /// Tells `peer` from now on when what stands at `uri` changes.
    ///
    /// # Errors
    /// -32002 for a session that does not exist, -32602 when too many are followed.
    pub async fn begin(&self, service: &Service, uri: String, peer: Peer<RoleServer>) -> Result<(), ErrorData> {
        // What is not here, or never changes, need not be remembered either.
        let changes = service.changes();
        let Some(followed) = Followed::begin(service, &uri).await? else {
            return Ok(());
        };
        let end = CancellationToken::new();
        {
            let mut all = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST && !all.contains_key(&uri) {
                let told = format!("{MOST} resources are followed already: unsubscribe from one first");
                return Err(ErrorData::invalid_params(told, None));
            }
            all.insert(uri, end.clone().drop_guard());
        }
        let service = service.clone();
        tokio::spawn(end.run_until_cancelled_owned(async move {
            let heard = |uri: String| async {
                let news = ResourceUpdatedNotificationParam::new(uri);
                peer.notify_resource_updated(news).await.is_ok()
            };
            tell(&service, changes, vec![followed], heard).await;
        }));
        Ok(())
    }

    /// Ends it; also where it never began.
    pub fn end(&self, uri: &str) {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }
}

/// Serves a subscription of revision 2026-07-28 until it is cancelled. Each address has news at once, because the client was told
/// that it is subscribed before the first look: what changed between the two would be lost.
pub async fn listen(service: &Service, context: &SubscriptionContext) {
    let accepted = context.accepted().resource_subscriptions.clone().unwrap_or_default();
    let changes = service.changes();
    let mut followed = Vec::new();
    for uri in accepted {
        // A session that is not there has no news; whoever reads it is told.
        if let Ok(Some(begun)) = Followed::begin(service, &uri).await {
            followed.push(Followed { seen: None, ..begun });
        }
    }
    let heard = |uri: String| async { context.sink().notify_resource_updated(uri).await.is_ok() };
    tokio::select! {
        () = context.cancelled() => {}
        () = tell(service, changes, followed, heard) => {}
    }
}
