//! The judge's protocol from end to end: the real llama.cpp in its own process, on the bundled
//! random-weight files. What the numbers mean is not tested here (they mean nothing), but how they
//! come about is.

mod bench;
mod damaged;
mod extremes;
mod frozen;
mod guarding;
mod interrupted;
mod measuring;
mod orders;
mod same_bits;
mod threads;
mod verdicts;
