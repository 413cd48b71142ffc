//! A pretended GPU: how much memory there is, who holds how much of it, and who is at work. Sizes are bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The memory of a GPU that a studio and somebody else share. Everything that happened to it is kept, in order.
#[derive(Debug)]
pub struct Gpu {
    total: u64,
    /// What a render needs, and keeps until it is asked for it.
    model: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    comfyui: u64,
    other: u64,
    rendering: bool,
    events: Vec<Event>,
}

/// What happened to the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// ComfyUI was asked to give memory back.
    Asked,
    /// It did.
    GaveBack,
    /// A render began.
    Rendering,
    /// It ended.
    Rendered,
    /// A render found too little memory.
    RanOut,
    /// The other program took its memory.
    Taken,
    /// It gave it back.
    Released,
}

impl Gpu {
    /// A GPU with nothing on it.
    #[must_use]
    pub fn new(total: u64, model: u64) -> Arc<Self> {
        Arc::new(Self {
            total,
            model,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All memory.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Free memory.
    #[must_use]
    pub fn free(&self) -> u64 {
        let state = self.state();
        self.total - state.comfyui - state.other
    }

    /// What happened so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// Whether a render is going on.
    #[must_use]
    pub fn is_rendering(&self) -> bool {
        self.state().rendering
    }

    /// The other program takes memory; false when there is too little.
    #[must_use]
    pub fn take(&self, bytes: u64) -> bool {
        let mut state = self.state();
        let fits = state.comfyui + state.other + bytes <= self.total;
        if fits {
            state.other += bytes;
            state.events.push(Event::Taken);
        }
        fits
    }

    /// The other program gives all its memory back.
    pub fn release(&self) {
        let mut state = self.state();
        if state.other > 0 {
            state.other = 0;
            state.events.push(Event::Released);
        }
    }

    pub(crate) fn asked(&self) {
        self.state().events.push(Event::Asked);
    }

    pub(crate) fn give_back(&self) {
        let mut state = self.state();
        state.comfyui = 0;
        state.events.push(Event::GaveBack);
    }

    /// A render begins; false when there is too little memory.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.state();
        let fits = state.other + self.model <= self.total;
        if fits {
            state.comfyui = self.model;
            state.rendering = true;
        }
        state.events.push(if fits { Event::Rendering } else { Event::RanOut });
        fits
    }

    pub(crate) fn end(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.rendering) {
            state.events.push(Event::Rendered);
        }
    }
}
