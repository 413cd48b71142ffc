//! How large a context a judgement takes: cells and sequences of llama.cpp's key-value cache.

use judge::engine::{Layout, MAX_BRANCHES};

/// Tokens that are computed at once.
pub const MICRO_BATCH: u32 = 512;

/// Prefixes that have a sequence of their own: the system prompt, that with the base picture, and the present one.
pub const PREFIXES: u32 = 3;

/// llama.cpp holds at most 256 sequences.
const _: () = assert!(MAX_BRANCHES + PREFIXES <= 256);

/// Branches at once in a model that keeps a state for each sequence: one takes 50 to 150 MiB, whether it is used or not. So
/// many questions for a digit about fill a micro batch.
pub const STATES_AT_ONCE: u32 = 16;

/// Key-value cells of the context: the system prompt and the base picture, the other pictures, the branches.
#[must_use]
pub fn cells(layout: &Layout) -> u32 {
    // The base's own label and each picture's markers are not in the plan of the text.
    const MARKUP: u32 = 64;
    let cells = layout
        .system_tokens
        .saturating_add(MARKUP)
        .saturating_add(layout.image_tokens.saturating_mul(layout.more_images + 1))
        .saturating_add(layout.branch_tokens);
    cells.checked_next_multiple_of(256).unwrap_or(cells)
}

/// Branches that are asked at once, in a model that keeps a state for each sequence (`states`) or in one that does not.
#[must_use]
pub fn at_once(layout: &Layout, states: bool) -> u32 {
    if states {
        layout.branches.min(STATES_AT_ONCE)
    } else {
        layout.branches
    }
}

/// Sequences of the context: one for each branch that is asked at once, and the prefixes.
#[must_use]
pub fn sequences(layout: &Layout, states: bool) -> u32 {
    at_once(layout, states).saturating_add(PREFIXES)
}
