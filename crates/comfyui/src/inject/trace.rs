//! From the samplers back to what steers them.

use std::collections::{BTreeMap, HashSet};

use super::super::graph::{Graph, InputValue, Node, NodeId};
use super::super::object_info::ObjectInfo;
use super::chain::Chain;
use super::conditioning::Conditionings;
use super::encoder::text_inputs;
use super::names::{self, Side};
use super::sampler::{MOST_SAMPLERS, Sampler, sampler};
use super::scalars;
use super::values::{self, MOST_PLACES, Traced};
use super::walk::{Walk, Wire};
use super::{Finding, FoundBy, Place, Role, Roles, Why, classes, switched, words};

pub(super) fn find(graph: &Graph, info: &ObjectInfo) -> Roles {
    find_in(&Walk::new(graph, info))
}

/// Finds every role by way of a walk that nobody has used yet.
pub(super) fn find_in(walk: &Walk<'_>) -> Roles {
    let graph = walk.graph;
    let outputs = walk.outputs();
    let live = walk.upstream(&walk.ends(&outputs), |_| false);
    let mut all: Vec<Sampler<'_>> = graph
        .nodes()
        .filter(|node| live.contains(node.id()))
        .filter_map(|node| sampler(walk, node))
        .take(MOST_SAMPLERS + 1)
        .collect();
    let too_many = all.len() > MOST_SAMPLERS;
    all.truncate(MOST_SAMPLERS);
    let mut guided = Conditionings::new(walk);
    let mut positive = Traced::default();
    // A helper such as a depth estimator samples too, but takes no text: it does not decide the picture.
    let (texts, bare): (Vec<_>, Vec<_>) = all
        .into_iter()
        // One whose text could not be read is steered all the same.
        .partition(|sampler| sampler.texts(Side::Positive, &mut guided, &mut positive).anything);
    let main = if texts.is_empty() { bare } else { texts };
    let mut negative = Traced::default();
    for sampler in &main {
        sampler.texts(Side::Negative, &mut guided, &mut negative);
    }
    let samplers: Vec<Node<'_>> = main.iter().map(|sampler| sampler.node).collect();
    let ids: Vec<&str> = samplers.iter().map(|node| node.id()).collect();
    let with_those_behind = [samplers.clone(), that_go_on(walk, &samplers)].concat();

    let mut findings = BTreeMap::new();
    let mut reasons = BTreeMap::new();
    let alone = samplers.len() <= 1;
    for (role, wanted) in scalars::SCALARS {
        let wanted = match role {
            Role::Cfg if !negative.places.is_empty() => scalars::CFG_BESIDE_NEGATIVE,
            _ => wanted,
        };
        let steered = match role {
            Role::Cfg | Role::Sampler => &with_those_behind,
            _ => &samplers,
        };
        let alone = steered.len() <= 1;
        let (finding, reason) = settle(scalars::of(walk, steered, role, wanted), FoundBy::Traced, alone);
        findings.insert(role, finding);
        reasons.extend(reason.map(|reason| (role, reason)));
    }
    let kept_seeds = seed_of_a_chain(walk, &samplers, &mut findings, &mut reasons);
    one_for_both_sides(&mut findings);
    let starts = if ids.is_empty() { &outputs } else { &ids };
    let texts: BTreeMap<Role, Vec<Place>> = [
        (Role::Positive, positive.places.clone()),
        (Role::Negative, negative.places.clone()),
    ]
    .into();
    for (role, (finding, reason)) in prompts(walk, positive, (negative, guided.zeroed), starts, alone) {
        findings.insert(role, finding);
        reasons.extend(reason.map(|reason| (role, reason)));
    }
    if too_many {
        doubt_all(&mut findings, &Why::TooManySamplers);
    }
    for (role, (finding, reason)) in receptor(walk, &ids) {
        findings.insert(role, finding);
        reasons.remove(&role);
        reasons.extend(reason.map(|reason| (role, reason)));
    }
    if walk.is_spent() {
        doubt_all(&mut findings, &Why::TooTangled);
    }
    let all: Vec<Place> = texts.values().flatten().cloned().collect();
    let switched = switched::among(walk, &live, &all);
    for role in [Role::Positive, Role::Negative] {
        let finding = findings.get_mut(&role);
        finding
            .into_iter()
            .for_each(|finding| switched.iter().for_each(|switch| switch.explain(finding)));
    }
    let seed_limit = findings
        .get(&Role::Seed)
        .map_or(u64::MAX, |finding| scalars::seed_limit(walk, finding));
    Roles {
        findings,
        samplers: ids.into_iter().map(NodeId::from).collect(),
        outputs: outputs.into_iter().map(NodeId::from).collect(),
        seed_limit,
        kept_seeds,
        reasons,
        texts,
        joined: walk.joined(),
        switched,
        chosen: BTreeMap::new(),
    }
}

/// Samplers that only go on with what one of these began, by its text, model and noise, and have settings of their own.
fn that_go_on<'a>(walk: &Walk<'a>, samplers: &[Node<'a>]) -> Vec<Node<'a>> {
    let mut seen: HashSet<&str> = samplers.iter().map(|node| node.id()).collect();
    let mut open: Vec<&str> = samplers.iter().map(|node| node.id()).collect();
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        for (reader, input) in walk.readers(id) {
            let goes_on = *input == "latent_image"
                && reader.literal("sampler_name").is_some()
                && reader.input("positive").is_none();
            if goes_on && walk.enter(reader) && seen.insert(reader.id()) {
                found.push(*reader);
                open.push(reader.id());
            }
        }
    }
    found
}

/// Where samplers in a row have different seeds, the seed is that of those that decide the picture; a sampler that only
/// goes over what another one made keeps its own. Returns the kept ones.
///
/// So a seed means the same picture whoever asks for it: a workflow that stands at 3 and 99 is the one that is rendered
/// for seed 3. Where two samplers decide, or it is not known how much one of them leaves, it stays a question.
fn seed_of_a_chain<'a>(
    walk: &Walk<'a>,
    samplers: &[Node<'a>],
    findings: &mut BTreeMap<Role, Finding>,
    reasons: &mut BTreeMap<Role, Why>,
) -> Vec<Place> {
    let asked = matches!(findings.get(&Role::Seed), Some(Finding::Candidates { .. }));
    if !asked && !reasons.contains_key(&Role::Seed) {
        return Vec::new();
    }
    let Some((_, wanted)) = scalars::SCALARS.into_iter().find(|(role, _)| *role == Role::Seed) else {
        return Vec::new();
    };
    let chain = Chain::of(walk, samplers);
    if chain.refining.is_empty() {
        return Vec::new();
    }
    let traced = scalars::of(walk, &chain.deciding, Role::Seed, wanted);
    let (decides, reason) = settle(traced, FoundBy::Traced, chain.deciding.len() == 1);
    if decides.found().is_empty() {
        return Vec::new();
    }
    reasons.remove(&Role::Seed);
    reasons.extend(reason.map(|reason| (Role::Seed, reason)));
    let mut kept = scalars::of(walk, &chain.refining, Role::Seed, wanted).places;
    kept.retain(|place| !decides.found().iter().any(|own| own.is(place)));
    findings.insert(Role::Seed, decides);
    kept
}

/// Makes a question of everything that was found.
fn doubt_all(findings: &mut BTreeMap<Role, Finding>, why: &Why) {
    for finding in findings.values_mut() {
        if let Finding::Found { places, .. } = finding {
            *finding = Finding::Candidates {
                places: std::mem::take(places),
                why: why.clone(),
            };
        }
    }
}

/// A literal that sets width and height at once is a question: writing one of them would write the other.
fn one_for_both_sides(findings: &mut BTreeMap<Role, Finding>) {
    let places = |role: &Role| findings.get(role).map(Finding::found).unwrap_or_default();
    let shared = |place: &Place| places(&Role::Height).iter().any(|other| other.is(place));
    if !places(&Role::Width).iter().any(shared) {
        return;
    }
    for role in [Role::Width, Role::Height] {
        if let Some(finding) = findings.get_mut(&role) {
            let places = finding.found().to_vec();
            *finding = Finding::Candidates {
                places,
                why: Why::BothSides,
            };
        }
    }
}

/// A finding, and what is to be said about it though it is no question.
type Settled = (Finding, Option<Why>);

/// One finding from what was traced: equal values are one place written several times, anything else is a question. A
/// question with one answer is none, unless what is written there does not arrive as it is, or, where the sampler is not
/// alone, not at all of them.
fn settle(traced: Traced, found_by: FoundBy, alone: bool) -> Settled {
    let Traced { places, doubt, .. } = traced;
    let Some(first) = places.first() else {
        return (Finding::Absent, doubt);
    };
    let taken = |why: &Why| match why {
        Why::Composed | Why::NotTraced => true,
        Why::Unresolved { .. } => alone,
        _ => false,
    };
    let question = match doubt {
        Some(why) if places.len() == 1 && taken(&why) => {
            return (Finding::Found { places, found_by }, Some(why));
        }
        Some(why) => why,
        None if places.iter().all(|place| place.value == first.value) => {
            return (Finding::Found { places, found_by }, None);
        }
        None => Why::Different,
    };
    (Finding::Candidates { places, why: question }, None)
}

/// A text that is a list of prompts by frames: one prompt in its place would break the list.
fn doubt_schedules(texts: &mut Traced) {
    let schedule =
        |place: &&Place| names::is_schedule(&place.input) || place.value.as_str().is_some_and(words::is_schedule);
    if let Some(place) = texts.places.iter().find(schedule) {
        texts.doubt = Some(Why::Schedule {
            by: place.node.clone(),
            title: place.title.clone(),
        });
    }
}

fn prompts<'a>(
    walk: &Walk<'a>,
    mut positive: Traced,
    (mut negative, zeroed): (Traced, bool),
    starts: &[&'a str],
    alone: bool,
) -> [(Role, Settled); 2] {
    doubt_schedules(&mut positive);
    doubt_schedules(&mut negative);
    let (positive, reason) = settle(positive, FoundBy::Traced, alone);
    // Text that steers both sides is the prompt; writing a negative prompt there would overwrite it.
    let all = negative.places.len();
    negative
        .places
        .retain(|place| !positive.found().iter().any(|known| known.is(place)));
    if let (true, Some(rest)) = (negative.places.len() < all, negative.places.first())
        && negative.doubt == Some(Why::Composed)
    {
        // What is left is put together with the prompt.
        let (by, title) = (rest.node.clone(), rest.title.clone());
        negative.doubt = Some(Why::Computed { by, title });
    }
    let negative = match settle(negative, FoundBy::Traced, alone) {
        (Finding::Absent, _) if zeroed => (Finding::Zeroed, None),
        // Perhaps it is the prompt: that is asked about, so this has to be as well.
        (Finding::Found { places, .. }, _)
            if places
                .iter()
                .any(|place| positive.places().iter().any(|known| known.is(place))) =>
        {
            let why = Why::Different;
            (Finding::Candidates { places, why }, None)
        }
        settled => settled,
    };
    let positive = match positive {
        Finding::Absent => {
            let mut places = loose_texts(walk, starts);
            places.retain(|place| !negative.0.places().iter().any(|known| known.is(place)));
            let doubt = (!places.is_empty()).then_some(Why::NotTraced);
            let guess = Traced {
                places,
                doubt: doubt.or(reason),
                ..Traced::default()
            };
            settle(guess, FoundBy::Guessed, alone)
        }
        finding => (finding, reason),
    };
    [(Role::Positive, positive), (Role::Negative, negative)]
}

/// What receptors say about the roles they are wired for.
fn receptor<'a>(walk: &Walk<'a>, samplers: &[&'a str]) -> Vec<(Role, Settled)> {
    let live = walk.upstream(samplers, |node| classes::is_zero_out(node.class()));
    let mut seen = HashSet::new();
    let mut used: BTreeMap<usize, Traced> = BTreeMap::new();
    for node in walk.graph.nodes().filter(|node| live.contains(node.id())) {
        for (_, value) in walk.live_inputs(&node) {
            let InputValue::Link { node: source, output } = value else {
                continue;
            };
            let Some(source) = walk
                .graph
                .node(source)
                .filter(|source| classes::is_receptor(source.class()))
            else {
                continue;
            };
            let Some(input) = names::receptor_input(output).filter(|_| seen.insert((source.id(), output))) else {
                continue;
            };
            let Some((input, value)) = source.inputs().find(|(name, _)| *name == input) else {
                continue;
            };
            let at = (source.id(), input);
            let traced = match input {
                "seed" => values::scalar(walk, value, at, Role::Seed, &["seed"]),
                input => values::text(walk, value, at, names::side_of(input)),
            };
            used.entry(output).or_default().extend(traced);
        }
    }
    used.into_iter()
        .filter(|(_, traced)| !traced.places.is_empty())
        .filter_map(|(slot, traced)| {
            Some((
                Role::from_name(names::receptor_input(slot)?)?,
                settle(traced, FoundBy::Receptor, samplers.len() <= 1),
            ))
        })
        .collect()
}

/// Prompt-like literals upstream of some nodes: what to ask about when tracing came to nothing.
fn loose_texts<'a>(walk: &Walk<'a>, starts: &[&'a str]) -> Vec<Place> {
    let live = walk.upstream(starts, |_| false);
    let nodes = walk.graph.nodes().filter(|node| live.contains(node.id()));
    let mut found = Traced::default();
    nodes
        // What a node says of a picture, or writes on it, is no prompt.
        .filter(|node| {
            !node.inputs().any(|(name, value)| match value {
                InputValue::Link { node: source, output } => {
                    name == "image" || walk.link_kind(node, name, (source, output)) == Wire::Of("IMAGE")
                }
                InputValue::Literal(_) => false,
            }) || text_inputs(walk, node).iter().any(|(name, _)| name.contains("prompt"))
        })
        .flat_map(|node| {
            text_inputs(walk, &node)
                .into_iter()
                .map(move |(name, value)| (node, name, value))
        })
        // Shaders and formulas are long texts too.
        .filter(|(node, name, _)| names::is_string_part(name) && !node.class().contains("Math"))
        .filter(|(_, name, _)| names::side_of(name) != Some(Side::Negative))
        .flat_map(|(node, name, value)| values::text(walk, value, (node.id(), name), Some(Side::Positive)).places)
        .filter(|place| place.value.as_str().is_some_and(|text| !words::is_setting(text)))
        .take(MOST_PLACES)
        .for_each(|place| found.add(Some(place)));
    found.places
}
