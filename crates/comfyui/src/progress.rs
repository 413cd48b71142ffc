//! How far a run is, computed from its events. Pure: time comes in as a parameter.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::events::{Event, Preview};
use super::record::Blocked;
use super::rejection::{class_of, title_of};

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Where it is.
    pub state: RunState,
    /// Nodes served from the cache.
    pub cached_nodes: usize,
    /// Part of the work that is done, 0 to 1; never falls. Nodes count by their `steps` input, others as one step.
    pub fraction: f32,
    /// Time left by the pace of the steps so far; `None` before two steps were seen.
    pub eta: Option<Duration>,
    /// The newest picture of the sampler's work.
    pub preview: Option<Arc<Preview>>,
    /// Why the server cannot be asked at the moment, if it cannot.
    pub trouble: Option<String>,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RunState {
    /// Accepted; the queue was not looked at yet.
    #[default]
    Accepted,
    /// Waiting.
    Queued {
        /// Place among the waiting runs, from 1.
        position: usize,
    },
    /// Being executed.
    Running {
        /// The node at work, if known.
        node: Option<String>,
        /// Its title, or its class when it has none.
        title: Option<String>,
        /// Steps done, if the node counts steps.
        step: Option<u32>,
        /// Steps in all, if the node counts steps.
        steps: Option<u32>,
    },
}

impl RunState {
    /// A few words for messages.
    pub fn in_words(&self) -> String {
        match self {
            Self::Accepted => "accepted".into(),
            Self::Queued { position } => format!("waiting at place {position}"),
            Self::Running { node: None, .. } => "running".into(),
            Self::Running {
                node: Some(node),
                title,
                step,
                steps,
            } => {
                let node = match title {
                    Some(title) => format!("{title:?} (node {node})"),
                    None => format!("node {node}"),
                };
                match (step, steps) {
                    (Some(step), Some(steps)) => format!("running {node}, step {step} of {steps}"),
                    _ => format!("running {node}"),
                }
            }
        }
    }
}

/// Follows one run.
#[derive(Debug)]
pub(super) struct Tracker {
    graph: Value,
    weights: HashMap<String, f64>,
    finished: HashSet<String>,
    cached: HashSet<String>,
    current: Option<(String, f64)>,
    pace: Option<Pace>,
    fraction: f64,
    blocked: Vec<Blocked>,
}

/// First and newest step of the node that counts.
#[derive(Debug, Clone)]
struct Pace {
    node: String,
    first: (Instant, f64),
    newest: (Instant, f64),
}

impl Tracker {
    /// Starts with the submitted graph; `Null` when it is not known, and then there is no fraction.
    pub(super) fn new(graph: &Value) -> Self {
        Self {
            weights: weights_of(graph),
            graph: graph.clone(),
            finished: HashSet::new(),
            cached: HashSet::new(),
            current: None,
            pace: None,
            fraction: 0.0,
            blocked: Vec::new(),
        }
    }

    /// Takes the graph over from the queue when the run was found again without it.
    pub(super) fn learn_graph(&mut self, graph: &Value) {
        if self.graph.is_null() {
            self.graph = graph.clone();
            for (node, weight) in weights_of(graph) {
                self.weights.entry(node).or_insert(weight);
            }
        }
    }

    /// The branches that were blocked on purpose.
    pub(super) fn blocked(&self) -> &[Blocked] {
        &self.blocked
    }

    /// The queue was looked at: running. Keeps what the events told.
    pub(super) fn seen_running(&mut self, progress: &mut Progress) {
        if !matches!(progress.state, RunState::Running { .. }) {
            progress.state = RunState::Running {
                node: None,
                title: None,
                step: None,
                steps: None,
            };
        }
    }

    /// The queue was looked at: waiting. A late answer does not undo a start that the events told.
    pub(super) fn seen_waiting(&mut self, position: usize, progress: &mut Progress) {
        if !matches!(progress.state, RunState::Running { .. }) {
            progress.state = RunState::Queued { position };
        }
    }

    /// Takes an event of this run in.
    pub(super) fn apply(&mut self, event: Event, now: Instant, progress: &mut Progress) {
        match event {
            Event::Started => self.seen_running(progress),
            Event::Cached { nodes } => {
                self.cached.extend(nodes);
                progress.cached_nodes = self.cached.len();
            }
            Event::Executing { node } => {
                // Servers that do not tell what is finished go on to the next node all the same.
                if let Some((last, part)) = self.current.take()
                    && part >= 1.0
                {
                    self.finished.insert(last);
                }
                progress.state = self.running(&node, None);
                self.current = Some((node, 0.0));
            }
            Event::Step { node, value, max } => {
                let Some(node) = node.or_else(|| self.current.as_ref().map(|(node, _)| node.clone())) else {
                    return;
                };
                progress.state = self.running(&node, Some((value, max)));
                self.weights.insert(node.clone(), max);
                self.keep_pace(&node, value, now);
                self.current = Some((node, value / max));
            }
            Event::NodesFinished { nodes } => self.finished.extend(nodes),
            Event::Executed { node } => {
                self.finished.insert(node);
            }
            Event::Failed {
                node,
                class,
                message,
                blocked: true,
            } => self.blocked.push(Blocked {
                node_id: node,
                class,
                message,
            }),
            Event::Preview(preview) => progress.preview = Some(Arc::new(preview)),
            Event::Success => self.finished.extend(self.weights.keys().cloned()),
            Event::Over | Event::Failed { .. } | Event::Interrupted | Event::Queue { .. } => {}
        }
        self.fraction = self.fraction.max(self.done_of_all());
        progress.fraction = self.fraction as f32;
        progress.eta = self.eta();
    }

    fn running(&self, node: &str, step: Option<(f64, f64)>) -> RunState {
        RunState::Running {
            node: Some(node.to_owned()),
            title: title_of(&self.graph, node).or_else(|| class_of(&self.graph, node)),
            step: step.map(|(value, _)| value as u32),
            steps: step.map(|(_, max)| max as u32),
        }
    }

    fn done_of_all(&self) -> f64 {
        let (mut done, mut all) = (0.0, 0.0);
        for (node, weight) in self.weights.iter().filter(|(node, _)| !self.cached.contains(*node)) {
            all += weight;
            done += weight * self.part_done(node);
        }
        if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn part_done(&self, node: &str) -> f64 {
        match &self.current {
            _ if self.finished.contains(node) => 1.0,
            Some((current, part)) if current == node => *part,
            _ => 0.0,
        }
    }

    fn keep_pace(&mut self, node: &str, value: f64, now: Instant) {
        match &mut self.pace {
            Some(pace) if pace.node == node && value >= pace.newest.1 => pace.newest = (now, value),
            _ => {
                self.pace = Some(Pace {
                    node: node.to_owned(),
                    first: (now, value),
                    newest: (now, value),
                })
            }
        }
    }

    /// The steps left, of nodes that count steps, at the pace of the one that counts now.
    fn eta(&self) -> Option<Duration> {
        let pace = self.pace.as_ref()?;
        let made = pace.newest.1 - pace.first.1;
        if made <= 0.0 {
            return None;
        }
        let per_step = pace.newest.0.duration_since(pace.first.0).as_secs_f64() / made;
        let counting = self
            .weights
            .iter()
            .filter(|(node, weight)| **weight > 1.0 && !self.cached.contains(*node));
        let left: f64 = counting
            .map(|(node, weight)| weight * (1.0 - self.part_done(node)))
            .sum();
        // After the last step other nodes work on, at a pace that nobody knows.
        if left <= 0.0 {
            return None;
        }
        Duration::try_from_secs_f64(left * per_step).ok()
    }
}

/// What each node counts: its `steps`, if it has such a number, else one.
fn weights_of(graph: &Value) -> HashMap<String, f64> {
    let nodes = graph.as_object().into_iter().flatten();
    nodes
        .map(|(id, node)| {
            let steps = node.pointer("/inputs/steps").and_then(Value::as_u64).unwrap_or(1);
            (id.clone(), steps.clamp(1, 10_000) as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(value: f64) -> Event {
        Event::Step {
            node: Some("5".into()),
            value,
            max: 10.0,
        }
    }

    #[test]
    fn the_sampler_counts_by_its_steps_and_the_pace_gives_the_time_left() {
        let graph = json!({
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {}},
            "5": {"class_type": "KSampler", "inputs": {"steps": 10}, "_meta": {"title": "Base"}},
        });
        let (mut tracker, mut progress, start) = (Tracker::new(&graph), Progress::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        tracker.apply(
            Event::Cached {
                nodes: vec!["1".into()],
            },
            at(0),
            &mut progress,
        );
        tracker.apply(Event::Executing { node: "5".into() }, at(1), &mut progress);
        tracker.apply(step(2.0), at(10), &mut progress);
        assert_eq!(progress.eta, None, "one step gives no pace");
        tracker.apply(step(4.0), at(14), &mut progress);
        assert_eq!(
            progress.eta,
            Some(Duration::from_secs(12)),
            "six steps of two seconds are left"
        );
        assert!(
            (progress.fraction - 0.4).abs() < 1e-6,
            "the cached node does not count: {}",
            progress.fraction
        );
        assert_eq!(progress.cached_nodes, 1);
        let state = RunState::Running {
            node: Some("5".into()),
            title: Some("Base".into()),
            step: Some(4),
            steps: Some(10),
        };
        assert_eq!(progress.state, state);
    }

    #[test]
    fn a_node_is_named_by_its_title_and_after_the_last_step_no_time_is_told() {
        let graph = json!({
            "5": {"class_type": "KSampler", "inputs": {"steps": 10}, "_meta": {"title": "Base"}},
            "6": {"class_type": "VAEDecode", "inputs": {}},
        });
        let (mut tracker, mut progress, start) = (Tracker::new(&graph), Progress::default(), Instant::now());
        tracker.apply(step(2.0), start, &mut progress);
        assert_eq!(progress.state.in_words(), "running \"Base\" (node 5), step 2 of 10");
        tracker.apply(step(9.0), start + Duration::from_secs(7), &mut progress);
        assert_eq!(progress.eta, Some(Duration::from_secs(1)));
        tracker.apply(step(10.0), start + Duration::from_secs(8), &mut progress);
        assert_eq!(progress.eta, None);
        let decoding = Event::Executing { node: "6".into() };
        tracker.apply(decoding, start + Duration::from_secs(9), &mut progress);
        assert_eq!(progress.state.in_words(), "running \"VAEDecode\" (node 6)");
        assert_eq!(progress.eta, None, "nobody knows how long it decodes");
        assert_eq!(RunState::Queued { position: 2 }.in_words(), "waiting at place 2");
    }

    #[test]
    fn the_fraction_never_falls_and_a_late_queue_answer_does_not_undo_a_start() {
        let graph = json!({"5": {"class_type": "KSampler", "inputs": {"steps": 10}}});
        let (mut tracker, mut progress, now) = (Tracker::new(&graph), Progress::default(), Instant::now());
        tracker.seen_waiting(3, &mut progress);
        assert_eq!(progress.state, RunState::Queued { position: 3 });
        tracker.apply(step(8.0), now, &mut progress);
        tracker.apply(step(1.0), now, &mut progress);
        assert!((progress.fraction - 0.8).abs() < 1e-6);
        tracker.seen_waiting(2, &mut progress);
        assert!(matches!(progress.state, RunState::Running { step: Some(1), .. }));
    }
}
