//! `models`: the real program against a hub on this machine, with a cache, a data folder and settings of its own.

mod hub;
mod lengths;
mod person;
mod pulls;
mod refusals;
mod removals;
mod resumed;
mod reused;
