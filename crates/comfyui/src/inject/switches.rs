//! Switches: nodes that pass on one of several inputs, and which one that is, as far as the graph and the definitions tell.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::walk::Walk;
use super::{classes, names};

/// A node that passes on one of several inputs.
#[derive(Debug)]
pub(super) struct Switch<'a> {
    /// The input that it goes by; none where it goes by what arrives.
    pub(super) control: Option<&'a str>,
    /// The inputs of which it passes one on.
    pub(super) branches: BTreeSet<&'a str>,
    /// Of a switch with a branch for yes and one for no: their names.
    pair: Option<(&'static str, &'static str)>,
}

/// Inputs by which a switch takes a branch of a number, beside those that [`names::is_selector`] knows.
const NUMBERS: [&str; 4] = ["select", "index", "Input", "input"];

impl<'a> Switch<'a> {
    /// The node as a switch, if it is one.
    pub(super) fn of(node: &Node<'a>) -> Option<Self> {
        let named = |wanted: &str| node.inputs().map(|(name, _)| name).find(|name| *name == wanted);
        if let Some((yes, no)) = classes::branches(node) {
            return Some(Self {
                control: classes::CONDITIONS.iter().find_map(|name| named(name)),
                branches: [yes, no].into_iter().filter_map(named).collect(),
                pair: Some((yes, no)),
            });
        }
        let sure = node.class().to_lowercase().contains("switch");
        if !sure && !classes::chooses(node) {
            return None;
        }
        let selector = || {
            node.inputs()
                .map(|(name, _)| name)
                .find(|name| names::is_selector(name) && counted(name).is_none())
        };
        let control = NUMBERS.iter().find_map(|name| named(name)).or_else(selector);
        let branches = alternatives(node, control);
        // A name that only may be a switch's needs both.
        let is_switch = sure && !branches.is_empty() || control.is_some() && branches.len() > 1;
        is_switch.then_some(Self {
            control,
            branches,
            pair: None,
        })
    }

    /// The branch that it takes, where that is fixed.
    pub(super) fn taken(&self, walk: &Walk<'a>, node: &Node<'a>) -> Option<&'a str> {
        let control = self.control?;
        let value = walk.constant(node.input(control)?)?;
        if let Some((yes, no)) = self.pair {
            return self.named(if value.as_bool()? { yes } else { no });
        }
        if let Some(named) = value.as_str().and_then(|name| self.named(name)) {
            return Some(named);
        }
        let number = match value {
            Value::String(text) => text.trim().parse().ok()?,
            number => number.as_u64()?,
        };
        let first = u64::from(!self.branches.iter().any(|name| number_of(name) == Some(0)));
        let counted_from = |base: u64| self.numbered(number.checked_add(first)?.checked_sub(base)?);
        match self.defined_base(walk, node, control) {
            Some(base) => counted_from(base),
            None if first == 0 => counted_from(0),
            // Where both readings name a branch, an index may count from nought or from one; anything else counts from one.
            None => match (counted_from(0), counted_from(1)) {
                (Some(_), Some(_)) if control == "index" => None,
                (nought, one) => one.or(nought),
            },
        }
    }

    fn named(&self, name: &str) -> Option<&'a str> {
        self.branches.get(name).copied()
    }

    /// The branch of that number, where only one has it.
    fn numbered(&self, number: u64) -> Option<&'a str> {
        let mut having = self.branches.iter().filter(|name| number_of(name) == Some(number));
        having.next().copied().filter(|_| having.next().is_none())
    }

    /// The number that stands for the first branch, as the definition's bounds tell.
    fn defined_base(&self, walk: &Walk<'a>, node: &Node<'a>, control: &str) -> Option<u64> {
        let spec = walk.spec(node)?;
        let InputKind::Int { min, max, .. } = spec.input(node, control)?.kind else {
            return None;
        };
        let base = u64::try_from(min?).ok().filter(|base| *base <= 1)?;
        // Nought is none of them, where there would be one more of them than branches.
        let stem = self
            .branches
            .first()
            .and_then(|name| counted(name))
            .map(|(stem, _)| stem);
        let defined = spec.inputs.iter().filter_map(|input| counted(&input.name));
        let numbers: BTreeSet<u64> = defined
            .filter(|(own, _)| Some(*own) == stem)
            .filter_map(|(_, number)| number)
            .collect();
        let last = numbers.last().copied().map(i128::from);
        match base == 0 && numbers.first() == Some(&1) && last == max {
            true => Some(1),
            false => Some(base),
        }
    }
}

/// The inputs that a switch may pass on: of those that are alike but for a number or a letter at their end, the most, wires
/// and texts before numbers.
fn alternatives<'a>(node: &Node<'a>, control: Option<&str>) -> BTreeSet<&'a str> {
    let mut groups: Vec<(&str, usize, BTreeSet<&'a str>)> = Vec::new();
    for (name, value) in node.inputs() {
        let Some((stem, _)) = counted(name).filter(|_| Some(name) != control) else {
            continue;
        };
        let carries = usize::from(!matches!(value, InputValue::Literal(value) if !value.is_string()));
        let kinds = groups.len();
        match groups.iter_mut().find(|(own, ..)| *own == stem) {
            Some((_, carrying, group)) => {
                *carrying += carries;
                group.insert(name);
            }
            // More kinds than a switch has are none of its branches.
            None if kinds == 8 => return BTreeSet::new(),
            None => groups.push((stem, carries, BTreeSet::from([name]))),
        }
    }
    let rank = |group: &(&str, usize, BTreeSet<&str>)| (group.1, group.2.len());
    groups.sort_by_key(|group| std::cmp::Reverse(rank(group)));
    let tied = matches!(&groups[..], [first, second, ..] if rank(first) == rank(second));
    match groups.into_iter().next() {
        Some((_, _, group)) if !tied => group,
        _ => BTreeSet::new(),
    }
}

/// A name that ends in a number, or in a letter of its own, without that; and the number.
fn counted(name: &str) -> Option<(&str, Option<u64>)> {
    let stem = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    if stem.len() < name.len() {
        return (!stem.is_empty()).then(|| (stem, name[stem.len()..].parse().ok()));
    }
    let stem = name.strip_suffix(|letter: char| matches!(letter.to_ascii_lowercase(), 'a'..='d'))?;
    stem.ends_with(['_', ' ']).then_some((stem, None))
}

fn number_of(name: &str) -> Option<u64> {
    counted(name)?.1
}
