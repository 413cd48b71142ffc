//! Files that somebody names: opened without waiting for a pipe ([`regular`]), and replaced whole or not at all ([`mod@replace`]).

pub mod regular;
pub mod replace;
