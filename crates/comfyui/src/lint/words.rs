//! Problems of a graph as sentences, each once.

use std::collections::HashMap;

use super::{Problem, ProblemKind};
use text::Foreign;

/// Problems in a sentence or two: what several nodes share, such as a file that is missing, once with all of them; missing
/// classes together.
pub fn in_words(problems: &[Problem]) -> String {
    let parts: Vec<String> = each_once(problems).into_iter().map(|(told, _)| told).collect();
    parts.join("; ")
}

/// The same as a note for each, with what to do about it.
pub fn notes(problems: &[Problem]) -> Vec<String> {
    let told = each_once(problems).into_iter();
    told.map(|(told, remedy)| format!("{told}. {remedy}").trim_end().to_owned())
        .collect()
}

/// Each problem once, with what to do about it.
fn each_once(problems: &[Problem]) -> Vec<(String, &str)> {
    let (missing, others): (Vec<&Problem>, Vec<&Problem>) = problems
        .iter()
        .partition(|problem| problem.kind == ProblemKind::UnknownClass);
    let mut told = Vec::new();
    if let Some(first) = missing.first() {
        let missing = together(&missing, |problem| &problem.class);
        let classes: Vec<String> = missing
            .iter()
            .map(|(class, nodes)| format!("{} ({})", Foreign(class), named(nodes, |node| node.title != *class)))
            .collect();
        let classes_are = if missing.len() == 1 { "class" } else { "classes" };
        told.push((
            format!("the server has no node {classes_are} {}", classes.join(", ")),
            first.remedy.as_str(),
        ));
    }
    for (message, nodes) in together(&others, |problem| &problem.message) {
        let Some(first) = nodes.first() else { continue };
        let text = match first.node {
            Some(_) => format!("{}: {message}", named(&nodes, |_| true)),
            None => message.to_owned(),
        };
        told.push((text, first.remedy.as_str()));
    }
    told
}

/// Problems that have something in common, in the order in which they were found.
fn together<'p>(problems: &[&'p Problem], common: fn(&'p Problem) -> &'p str) -> Vec<(&'p str, Vec<&'p Problem>)> {
    let mut places = HashMap::new();
    let mut groups: Vec<(&str, Vec<&Problem>)> = Vec::new();
    for problem in problems {
        let common = common(problem);
        let place = *places.entry(common).or_insert_with(|| {
            groups.push((common, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(problem);
    }
    groups
}

/// The nodes of problems, with those titles that say more than what stands beside them.
fn named(problems: &[&Problem], titled: impl Fn(&Problem) -> bool) -> String {
    /// Nodes that a sentence names.
    const NAMED: usize = 12;
    let nodes = problems
        .iter()
        .filter_map(|problem| Some((problem.node.as_ref()?, problem)));
    let mut named: Vec<String> = nodes
        .take(NAMED)
        .map(|(node, problem)| match titled(problem) {
            true => format!("node {node} {}", Foreign(&problem.title)),
            false => format!("node {node}"),
        })
        .collect();
    if problems.len() > NAMED {
        named.push(format!("{} more", problems.len() - NAMED));
    }
    named.join(", ")
}

/// What to do about problems, each advice once.
pub fn remedies(problems: &[Problem]) -> String {
    let mut remedies: Vec<&str> = Vec::new();
    for problem in problems {
        if !problem.remedy.is_empty() && !remedies.contains(&problem.remedy.as_str()) {
            remedies.push(&problem.remedy);
        }
    }
    remedies.join(" ")
}
