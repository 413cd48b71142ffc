//! A workflow that takes a while to be looked through.

use serde_json::{Value, json};

/// The workflow with so many more samplers in a row behind its sampler, node 5, up to its decoder, node 6.
pub fn with_samplers(mut graph: Value, more: usize) -> Value {
    for n in 0..more {
        let mut next = graph["5"].clone();
        let before = if n == 0 { "5".to_owned() } else { format!("s{}", n - 1) };
        next["inputs"]["latent_image"] = json!([before, 0]);
        graph[format!("s{n}")] = next;
    }
    graph["6"]["inputs"]["samples"] = json!([format!("s{}", more - 1), 0]);
    graph
}
