//! What a workflow means, on real graphs, and whole runs against stand-ins for a ComfyUI server.
//!
//! The recordings and workflows lie in `tests/fixtures` of the repository, where the program's tests use them too.

#![cfg(test)]

// By the name that everybody else uses.
extern crate prompt_calibrator_comfyui as comfyui;

mod inject_strange;
mod inject_workflows;
mod labels;
mod runs;
mod studio;
