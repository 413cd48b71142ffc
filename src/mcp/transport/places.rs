//! The places of a server's connections: a bounded number of them, of which idle ones make way for new ones.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio_util::sync::CancellationToken;

/// The places that are taken. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places {
    most: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    /// Counts what happens, which puts it in order.
    moment: u64,
    taken: HashMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    /// Requests that have arrived whole, and whose answers were not taken to the end.
    at_work: usize,
    /// The moment since which there is none.
    idle_since: u64,
    makes_way: CancellationToken,
}

impl Open {
    fn next(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

impl Places {
    /// As many as `most`.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for another connection. Where none is free, the connection that has been idle for longest makes way; `None` where
    /// all are at work.
    pub(super) fn take(&self) -> Option<Place> {
        let mut open = self.lock();
        if open.taken.len() >= self.most {
            let idle = open.taken.iter().filter(|(_, taken)| taken.at_work == 0);
            let (&oldest, _) = idle.min_by_key(|(_, taken)| taken.idle_since)?;
            if let Some(taken) = open.taken.remove(&oldest) {
                taken.makes_way.cancel();
            }
        }
        let id = open.next();
        let makes_way = CancellationToken::new();
        let taken = Taken {
            at_work: 0,
            idle_since: id,
            makes_way: makes_way.clone(),
        };
        open.taken.insert(id, taken);
        drop(open);
        Some(Place {
            places: self.clone(),
            handle: Handle {
                places: self.clone(),
                id,
                spoke: CancellationToken::new(),
            },
            makes_way,
        })
    }
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    handle: Handle,
    makes_way: CancellationToken,
}

impl Place {
    /// What the connection's requests know of it.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the connection is to make way for another one.
    pub(super) async fn makes_way(&self) {
        self.makes_way.cancelled().await;
    }

    /// Waits until the head of a first request has come.
    pub(super) async fn spoke(&self) {
        self.handle.spoke.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().taken.remove(&self.handle.id);
    }
}

/// Names the place over which a request came.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    places: Places,
    id: u64,
    spoke: CancellationToken,
}

impl Handle {
    /// The head of a request has come.
    pub(super) fn speaks(&self) {
        self.spoke.cancel();
    }

    /// A request has come whole: until what this returns is dropped the connection is not idle. `None` when it makes way already.
    pub(super) fn begins(&self) -> Option<AtWork> {
        let mut open = self.places.lock();
        open.taken.get_mut(&self.id)?.at_work += 1;
        Some(AtWork(self.clone()))
    }
}

/// A request that is worked on.
#[derive(Debug)]
pub(super) struct AtWork(Handle);

impl AtWork {
    /// The same until the last byte of an answer was taken.
    pub(super) fn until_taken(self, body: Body) -> Body {
        Body::new(Answer { body, _at_work: self })
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut open = self.0.places.lock();
        let now = open.next();
        if let Some(taken) = open.taken.get_mut(&self.0.id) {
            taken.at_work -= 1;
            taken.idle_since = now;
        }
    }
}

struct Answer {
    body: Body,
    _at_work: AtWork,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(places: &Places, count: usize) -> Vec<Place> {
        (0..count).map(|_| places.take().unwrap()).collect()
    }

    #[test]
    fn the_one_that_is_idle_for_longest_makes_way() {
        let places = Places::new(3);
        let open = taken(&places, 3);
        // The first one has asked something since the others came.
        drop(open[0].handle().begins().unwrap());
        let _another = places.take().unwrap();
        let gone: Vec<bool> = open.iter().map(|place| place.makes_way.is_cancelled()).collect();
        assert_eq!(gone, [false, true, false]);
        assert!(open[1].handle().begins().is_none(), "nothing is begun for it any more");
    }

    #[test]
    fn nobody_at_work_makes_way() {
        let places = Places::new(2);
        let open = taken(&places, 2);
        let work: Vec<AtWork> = open.iter().map(|place| place.handle().begins().unwrap()).collect();
        let more = open[0].handle().begins().unwrap();
        assert!(places.take().is_none());
        drop(work);
        // Two requests of one connection: it is at work until both are answered.
        let another = places.take().unwrap();
        assert!(open[1].makes_way.is_cancelled() && !open[0].makes_way.is_cancelled());
        let _work = another.handle().begins();
        drop(more);
        let _one_more = places.take().unwrap();
        assert!(open[0].makes_way.is_cancelled());
    }

    #[test]
    fn a_place_is_free_when_its_connection_is_gone() {
        let places = Places::new(1);
        let open = places.take().unwrap();
        let _work = open.handle().begins();
        assert!(places.take().is_none());
        drop(open);
        assert!(places.take().is_some());
    }

    #[test]
    fn an_answer_is_work_until_its_last_byte_was_taken() {
        let places = Places::new(1);
        let open = places.take().unwrap();
        let body = open.handle().begins().unwrap().until_taken(Body::from("four"));
        assert_eq!(body.size_hint().exact(), Some(4));
        assert!(places.take().is_none());
        drop(body);
        assert!(places.take().is_some());
    }
}
