//! From an input back to the literals its value comes from.

use std::collections::HashSet;

use super::super::graph::{InputValue, Node};
use super::names::Side;
use super::walk::Walk;
use super::{Place, Role, Why};

/// Literals that make up a value, and why it may not be as simple as writing to them.
#[derive(Debug, Default)]
pub(super) struct Traced {
    pub(super) places: Vec<Place>,
    pub(super) doubt: Option<Why>,
    /// It leads to what was visited before, and adds nothing to that.
    pub(super) visited: bool,
}

impl Traced {
    /// Nothing but a reason to ask.
    pub(super) fn doubtful(why: Why) -> Self {
        Self {
            doubt: Some(why),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, place: Option<Place>) {
        let Some(place) = place else { return };
        if self.places.iter().any(|known| known.is(&place)) {
            return;
        }
        if self.places.len() == MOST_PLACES {
            self.doubt.get_or_insert(Why::TooMany);
            return;
        }
        self.places.push(place);
    }

    pub(super) fn extend(&mut self, other: Self) {
        if self.places.is_empty() {
            self.places = other.places;
        } else {
            other.places.into_iter().for_each(|place| self.add(Some(place)));
        }
        if let Some(doubt) = other.doubt {
            self.doubt.get_or_insert(doubt);
        }
        self.visited |= other.visited;
    }

    /// Whether nothing at all is known.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.doubt.is_none() && !self.visited
    }
}

/// Places of one value that are told apart; of more, a person could not choose.
pub(super) const MOST_PLACES: usize = 256;

/// How many nodes deep a value is followed; real chains are a few nodes long, and the stack has to hold it.
pub(super) const MAX_DEPTH: usize = 200;

/// One trace through a graph; it visits every output once, so cycles end.
pub(super) struct Tracer<'w, 'a> {
    pub(super) walk: &'w Walk<'a>,
    pub(super) seen: HashSet<(&'a str, usize)>,
    pub(super) depth: usize,
    /// The side of the guidance a text is for, where a node holds both.
    pub(super) side: Option<Side>,
    /// The role of a value that is no text, and the names it goes by.
    pub(super) role: Option<Role>,
    pub(super) wanted: &'w [&'w str],
}

/// The texts behind a value that stands at `at` (node, input), for one side of the guidance.
pub(super) fn text<'a>(walk: &Walk<'a>, value: InputValue<'a>, at: (&'a str, &'a str), side: Option<Side>) -> Traced {
    Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side,
        role: None,
        wanted: &[],
    }
    .text(value, at)
}

/// The texts in a node that encodes them and that nobody described; a doubt where there are none.
pub(super) fn of_node<'a>(walk: &Walk<'a>, node: &Node<'a>, slot: usize, side: Side) -> Traced {
    let mut tracer = Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side: Some(side),
        role: None,
        wanted: &[],
    };
    let mut traced = tracer.any_node(node, slot);
    // A node without inputs holds no text.
    if traced.is_empty() && node.inputs().next().is_some() {
        traced.doubt = Some(unresolved(node));
    }
    traced
}

/// The number or name behind a value that stands at `at`; `wanted` are the names it goes by in nodes that supply it.
pub(super) fn scalar<'a>(
    walk: &Walk<'a>,
    value: InputValue<'a>,
    at: (&'a str, &'a str),
    role: Role,
    wanted: &[&str],
) -> Traced {
    Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side: None,
        role: Some(role),
        wanted,
    }
    .scalar(value, at)
}

/// All literals behind a link, of whatever type: for messages.
pub(super) fn sources<'a>(walk: &Walk<'a>, value: InputValue<'a>, at: (&'a str, &'a str)) -> Vec<Place> {
    let mut tracer = Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side: None,
        role: None,
        wanted: &[],
    };
    let found = tracer.scalar(value, at).places;
    if found.is_empty() {
        text(walk, value, at, None).places
    } else {
        found
    }
}

impl Tracer<'_, '_> {
    /// Adds a part; comparing places with places takes steps too.
    pub(super) fn join(&self, traced: &mut Traced, part: Traced) {
        let (known, new) = (traced.places.len(), part.places.len());
        self.walk.step(((known + new + known * new) / 16) as u64);
        traced.extend(part);
    }
}

pub(super) fn computed(node: &Node<'_>) -> Why {
    Why::Computed {
        by: node.id().into(),
        title: node.title().to_owned(),
    }
}

pub(super) fn unresolved(node: &Node<'_>) -> Why {
    Why::Unresolved {
        by: node.id().into(),
        title: node.title().to_owned(),
    }
}
