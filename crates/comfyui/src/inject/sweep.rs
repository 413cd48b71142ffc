//! One look along wires for all samplers together. Each stop is opened once, so that a chain which many samplers share
//! costs no more than one of them; what a stop leads to is remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::BitOrAssign;

use super::values::Traced;

/// What something leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leads {
    /// A literal.
    pub(super) places: bool,
    /// A reason to ask.
    pub(super) doubt: bool,
    /// Anything that is known of.
    pub(super) anything: bool,
}

impl Leads {
    pub(super) fn of(traced: &Traced) -> Self {
        Self {
            places: !traced.places.is_empty(),
            doubt: traced.doubt.is_some(),
            anything: !traced.is_empty(),
        }
    }
}

impl BitOrAssign for Leads {
    fn bitor_assign(&mut self, other: Self) {
        self.places |= other.places;
        self.doubt |= other.doubt;
        self.anything |= other.anything;
    }
}

/// What is at a stop, and the stops behind it, in the order in which they are looked at.
pub(super) type Opened<K> = (Traced, Vec<K>);

/// The stops that were opened.
#[derive(Debug)]
pub(super) struct Sweep<K> {
    known: HashMap<K, Leads>,
}

impl<K> Default for Sweep<K> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Sweep<K> {
    /// Adds what is at the start and behind it to `found`, as far as it was not seen before, and says what the start leads
    /// to. The start itself is not remembered. Stops that lead to each other come to an end.
    pub(super) fn follow(
        &mut self,
        start: Opened<K>,
        found: &mut Traced,
        mut open: impl FnMut(K) -> Opened<K>,
    ) -> Leads {
        struct Stop<K> {
            key: Option<K>,
            leads: Leads,
            left: std::vec::IntoIter<K>,
        }
        let mut arrive = |key: Option<K>, (traced, behind): Opened<K>| {
            let leads = Leads::of(&traced);
            found.extend(traced);
            Stop {
                key,
                leads,
                left: behind.into_iter(),
            }
        };
        let mut stop = arrive(None, start);
        let mut path: Vec<Stop<K>> = Vec::new();
        loop {
            if let Some(key) = stop.left.next() {
                if let Some(leads) = self.known.get(&key) {
                    stop.leads |= *leads;
                } else {
                    self.known.insert(key, Leads::default());
                    let next = arrive(Some(key), open(key));
                    path.push(std::mem::replace(&mut stop, next));
                }
                continue;
            }
            if let Some(key) = stop.key {
                self.known.insert(key, stop.leads);
            }
            let Some(mut before) = path.pop() else {
                return stop.leads;
            };
            before.leads |= stop.leads;
            stop = before;
        }
    }
}
