//! Finds nodes that wait for each other.

use std::collections::HashMap;

use super::super::graph::Graph;
use super::links;

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Open,
    Done,
}

/// Cycles that are found; one is enough to refuse a graph.
const MOST: usize = 16;

/// One cycle for each knot of nodes that wait for each other, each as the ids along it. Iterative, so that a long
/// chain of nodes cannot exhaust the stack.
pub(super) fn find(graph: &Graph) -> Vec<Vec<&str>> {
    let mut marks: HashMap<&str, Mark> = HashMap::new();
    let mut cycles = Vec::new();
    for start in graph.nodes() {
        if cycles.len() >= MOST {
            break;
        }
        if marks.contains_key(start.id()) {
            continue;
        }
        marks.insert(start.id(), Mark::Open);
        let mut path = vec![(start.id(), links(&start).collect::<Vec<_>>())];
        while let Some((id, left)) = path.last_mut() {
            let id = *id;
            match left.pop().and_then(|next| graph.node(next)) {
                Some(next) => match marks.get(next.id()) {
                    Some(Mark::Done) => {}
                    Some(Mark::Open) if cycles.len() >= MOST => {}
                    Some(Mark::Open) => {
                        let along = path.iter().map(|(id, _)| *id).skip_while(|id| *id != next.id());
                        cycles.push(along.collect());
                    }
                    None => {
                        marks.insert(next.id(), Mark::Open);
                        path.push((next.id(), links(&next).collect()));
                    }
                },
                None if left.is_empty() => {
                    marks.insert(id, Mark::Done);
                    path.pop();
                }
                // A dangling link was popped; the rest is still to do.
                None => {}
            }
        }
    }
    cycles
}
