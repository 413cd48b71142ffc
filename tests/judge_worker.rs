//! The judge process with the real llama.cpp on the bundled random-weight files.

#![cfg(test)]

#[path = "judge_worker/answers.rs"]
mod answers;
#[path = "judge_worker/ends.rs"]
mod ends;
#[path = "judge_worker/kept.rs"]
mod kept;
#[path = "judge_worker/others.rs"]
mod others;
#[path = "judge_worker/prefixes.rs"]
mod prefixes;
#[path = "support/random_judges.rs"]
mod random_judges;
#[path = "judge_worker/setting.rs"]
mod setting;
#[path = "judge_worker/survives.rs"]
mod survives;
#[path = "judge_worker/threads.rs"]
mod threads;
