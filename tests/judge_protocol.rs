//! The judge's protocol from end to end: the real llama.cpp in its own process, on the bundled
//! random-weight files. What the numbers mean is not tested here (they mean nothing), but how they
//! come about is.

#![cfg(test)]

#[path = "judge_protocol/bench.rs"]
mod bench;
#[path = "judge_protocol/damaged.rs"]
mod damaged;
#[path = "judge_protocol/extremes.rs"]
mod extremes;
#[path = "judge_protocol/frozen.rs"]
mod frozen;
#[path = "judge_protocol/guarding.rs"]
mod guarding;
#[path = "judge_protocol/interrupted.rs"]
mod interrupted;
#[path = "judge_protocol/measuring.rs"]
mod measuring;
#[path = "judge_protocol/orders.rs"]
mod orders;
#[path = "support/random_judges.rs"]
mod random_judges;
#[path = "judge_protocol/same_bits.rs"]
mod same_bits;
#[path = "judge_protocol/threads.rs"]
mod threads;
#[path = "judge_protocol/verdicts.rs"]
mod verdicts;
