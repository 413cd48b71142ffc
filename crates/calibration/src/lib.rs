//! What a calibration follows, without any I/O: how two iterations compare ([`stats`]), whether a change is kept ([`decide`],
//! [`decided`]), what is in force ([`decision_log`]), and what to do next ([`advice`]).

pub mod advice;
pub mod decide;
pub mod decided;
pub mod decision_log;
pub mod stats;
