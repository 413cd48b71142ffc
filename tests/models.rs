//! `models`: the real program against a hub on this machine, with a cache, a data folder and settings of its own.

#![cfg(test)]

#[path = "models/hub.rs"]
mod hub;
#[path = "models/lengths.rs"]
mod lengths;
#[path = "models/person.rs"]
mod person;
#[path = "models/pulls.rs"]
mod pulls;
#[path = "models/refusals.rs"]
mod refusals;
#[path = "models/removals.rs"]
mod removals;
#[path = "models/resumed.rs"]
mod resumed;
#[path = "models/reused.rs"]
mod reused;
