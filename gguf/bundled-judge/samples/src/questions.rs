//! Samples: pictures, the product's questions on them, and the true answers.

use anyhow::{Context as _, Result};
use eval::json;
use judge::engine::Branch;
use judge::protocol::{self, AxisValue, Before, Order};
use judge::rubric::Rubric;
use llama::cpp::{Piece, Prompter};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use scenes::{ATTRIBUTES, Attribute, Rng, Scene};

use crate::pictures::{Shown, Source, targets};
use crate::tree::{PictureTokens, Target, Tree};

/// Kinds of answers, for the log of the training.
pub const KINDS: [&str; 10] = [
    "none",
    "visible",
    "value",
    "digit_none",
    "digit_values",
    "digit_difference",
    "difference",
    "closer",
    "guard",
    "json",
];
const VISIBLE: u8 = 1;
const VALUE: u8 = 2;
const DIGIT: u8 = 3;
const DIFFERENCE: u8 = 6;
const CLOSER: u8 = 7;
/// The attribute whose comparison is learned last, and how often it is put first for that.
const SLOWEST: Attribute = Attribute::Position;
const SLOWEST_MORE: f64 = 0.25;
const CLOSER_WEIGHT: f64 = 4.0;
const GUARD: u8 = 8;
const JSON: u8 = 9;

/// A batch: everything but its layout in bytes.
pub struct Asked {
    /// Tokens of the system turn, shared by all samples.
    pub system: Vec<i32>,
    /// Tokens of a sample; all are padded to it.
    pub room: usize,
    /// Pixels of all pictures, in order of use.
    pub pixels: Vec<Vec<u8>>,
    /// Auxiliary targets of the same pictures.
    pub attributes: Vec<Vec<f32>>,
    /// The samples.
    pub samples: Vec<Tree>,
}

/// What the samples of a batch share.
struct Shared<'a> {
    prompter: &'a Prompter,
    rubric: Rubric,
    /// The attribute of every axis of the rubric.
    axes: Vec<Attribute>,
    prefix: Vec<Piece>,
    marks: PictureTokens,
    end: i32,
    system: usize,
    room: usize,
}

impl Asked {
    /// A random batch. All its samples share a rubric: the bundled one, or a part of it in another
    /// order, so that the axes are read and not counted.
    pub fn batch(prompter: &Prompter, source: &mut Source, samples: usize, room: usize, rng: &mut Rng) -> Result<Self> {
        let rubric = rubric(rng)?;
        let axes: Vec<Attribute> = rubric
            .axes
            .iter()
            .filter_map(|a| Attribute::of_id(a.id.as_str()))
            .collect();
        anyhow::ensure!(
            axes.len() == rubric.axes.len(),
            "the rubric has an axis that no scene has"
        );
        let mut prefix = prompter.prefix(&protocol::system(&rubric), 3);
        let Piece::Tokens(system) = prefix.remove(0) else {
            anyhow::bail!("a prompt begins with a picture");
        };
        let control = |name: &str| {
            prompter
                .control(name)
                .with_context(|| format!("no {name} in the vocabulary"))
        };
        let mark = |name: &str| -> Result<u16> { Ok(u16::try_from(control(name)?)?) };
        let shared = Shared {
            marks: PictureTokens {
                before: mark("<|vision_start|>")?,
                inside: mark("<|image_pad|>")?,
                after: mark("<|vision_end|>")?,
            },
            end: control("<|im_end|>")?,
            system: system.len(),
            prompter,
            rubric,
            axes,
            prefix,
            room,
        };
        let mut batch = Self {
            system,
            room,
            pixels: Vec::new(),
            attributes: Vec::new(),
            samples: Vec::new(),
        };
        for i in 0..samples {
            // Every fourth is a triplet, so that all batches hold the same number of pictures.
            let shown = if i % 4 == 3 { triplet(rng) } else { pair(rng) };
            for picture in &shown {
                batch.pixels.push(source.pixels(picture, rng)?);
                batch.attributes.push(targets(picture).to_vec());
            }
            batch.samples.push(match &shown[..] {
                [a, b] if i % 16 == 1 => shared.document(a, b, rng),
                [a, b] => shared.pair(a, b, rng),
                [reference, a, b] => shared.triplet(reference, a, b),
                _ => anyhow::bail!("a sample of {} pictures", shown.len()),
            });
        }
        Ok(batch)
    }
}

fn rubric(rng: &mut Rng) -> Result<Rubric> {
    let mut rubric = Rubric::builtin("scenes")?;
    if rng.random_bool(0.3) {
        rubric.axes.shuffle(rng);
        let keep = rng.random_range(4..=rubric.axes.len());
        rubric.axes.truncate(keep);
    }
    Ok(rubric)
}

/// Two pictures: the same, one or several attributes apart, unrelated, or no scenes.
fn pair(rng: &mut Rng) -> Vec<Shown> {
    let scene = Scene::random_partly_hidden(rng);
    let other = match rng.random_range(0..100) {
        0..10 => scene.renewed(rng),
        10..40 => with_edits(&scene, 1, rng),
        40..70 => {
            let edits = rng.random_range(2..=6);
            with_edits(&scene, edits, rng)
        }
        70..80 => scene.unrelated(rng),
        80..87 => Scene::random_partly_hidden(rng),
        choice => return strangers(scene, choice, rng),
    };
    shuffled(vec![Shown::Scene(scene), Shown::Scene(other)], rng)
}

fn strangers(scene: Scene, choice: u32, rng: &mut Rng) -> Vec<Shown> {
    let other = Source::other(rng);
    let pair = match choice {
        87..94 => vec![Source::GREY, Source::GREY],
        94 => vec![other.clone(), other],
        95 => vec![Source::other(rng), other],
        96 => vec![Source::GREY, other],
        97 => vec![Shown::Scene(scene), Source::GREY],
        _ => vec![Shown::Scene(scene), other],
    };
    shuffled(pair, rng)
}

fn shuffled(mut shown: Vec<Shown>, rng: &mut Rng) -> Vec<Shown> {
    shown.shuffle(rng);
    shown
}

fn with_edits(scene: &Scene, edits: usize, rng: &mut Rng) -> Scene {
    let mut attributes = ATTRIBUTES;
    attributes.shuffle(rng);
    if rng.random_bool(SLOWEST_MORE) {
        attributes.sort_by_key(|a| *a != SLOWEST);
    }
    let mut other = scene.renewed(rng);
    for attribute in attributes.into_iter().take(edits) {
        other = if rng.random_bool(0.12) {
            other.without(attribute)
        } else {
            other.edited(attribute, rng.random_range(0.15..1.0), rng)
        };
    }
    other
}

/// A reference and two pictures at different distances from it: on many attributes, or on one.
fn triplet(rng: &mut Rng) -> Vec<Shown> {
    let scene = Scene::random(rng);
    if rng.random_bool(0.5) {
        let attribute = ATTRIBUTES[rng.random_range(0..ATTRIBUTES.len())];
        let mut steps = scene.steps(attribute, 5, rng);
        if steps.is_empty() {
            steps.push(scene.renewed(rng).edited(attribute, 1.0, rng));
        }
        steps.insert(0, scene.renewed(rng));
        steps.shuffle(rng);
        steps.truncate(2);
        steps.insert(0, scene);
        return steps.into_iter().map(Shown::Scene).collect();
    }
    let mut near = |most: usize| {
        let edits = rng.random_range(0..=most);
        with_edits(&scene, edits, rng)
    };
    let (a, b) = (near(4), near(8));
    let mut others = vec![Shown::Scene(a), Shown::Scene(b)];
    others.shuffle(rng);
    others.insert(0, Shown::Scene(scene));
    others
}

impl Shared<'_> {
    fn pair(&self, first: &Shown, second: &Shown, rng: &mut Rng) -> Tree {
        let mut tree = Tree::new(self.system, self.room);
        let alone = tree.picture(&self.prefix[..3], self.marks);
        let both = tree.picture(&self.prefix[3..6], self.marks);
        let order = if rng.random_bool(0.5) {
            Order::ReferenceFirst
        } else {
            Order::ReferenceSecond
        };
        let (reference, other) = match order {
            Order::ReferenceFirst => (first, second),
            Order::ReferenceSecond => (second, first),
        };

        // Axes that differ a little more often than those that do not.
        let mut axes: Vec<usize> = (0..self.axes.len()).collect();
        axes.shuffle(rng);
        axes.sort_by_key(|&i| first.distance(second, self.axes[i]) == 0.0 && rng.random_bool(0.4));
        if rng.random_bool(SLOWEST_MORE) {
            axes.sort_by_key(|&i| self.axes[i] != SLOWEST);
        }
        let scores = self.scores(reference, other, order, rng);
        for &axis in axes.iter().take(4) {
            self.score(&mut tree, both, (reference, other), &scores[axis], axis);
        }
        let mut looked = axes.clone();
        looked.shuffle(rng);
        let values = protocol::value_branches(&self.rubric);
        for (n, &axis) in looked.iter().take(2).enumerate() {
            self.value(&mut tree, alone, first, &values[self.axes.len() + axis], axis);
            if n == 0 || !first.shows(self.axes[axis]) {
                self.visible(&mut tree, alone, first, &values[axis], axis);
            }
        }
        if rng.random_bool(0.4) {
            let branches = protocol::difference_branches(&self.rubric, order);
            let axis = axes[0];
            let said = self.difference(reference, other, axis);
            self.said(&mut tree, both, &branches[axis], &said, DIFFERENCE, axis);
        }
        if rng.random_bool(0.05) {
            let no = self.one(self.prompter.text("no"));
            self.put(
                &mut tree,
                alone,
                &protocol::guard_branch(),
                &[],
                &[target(GUARD, 0, [(no, 1.0), (0, 0.0)])],
            );
        }
        for &axis in axes.iter().skip(4) {
            self.score(&mut tree, both, (reference, other), &scores[axis], axis);
        }
        tree
    }

    /// The naive protocol's document on a pair.
    fn document(&self, first: &Shown, second: &Shown, rng: &mut Rng) -> Tree {
        let mut tree = Tree::new(self.system, self.room);
        tree.picture(&self.prefix[..3], self.marks);
        let both = tree.picture(&self.prefix[3..6], self.marks);
        let (order, reference, other) = if rng.random_bool(0.5) {
            (Order::ReferenceFirst, first, second)
        } else {
            (Order::ReferenceSecond, second, first)
        };
        let words = |shown: &Shown, a: Attribute| shown.words(a).unwrap_or_else(|| "not visible".into());
        let entries: Vec<json::Entry> = self
            .axes
            .iter()
            .map(|&a| json::Entry {
                reference: words(reference, a),
                generated: words(other, a),
                score: 1.0 - reference.distance(other, a),
            })
            .collect();
        let question = json::branch(&self.rubric, order);
        self.said(
            &mut tree,
            both,
            &question,
            &json::document(&self.rubric, &entries),
            JSON,
            0,
        );
        tree
    }

    fn triplet(&self, reference: &Shown, a: &Shown, b: &Shown) -> Tree {
        let mut tree = Tree::new(self.system, self.room);
        let mut last = 0;
        for i in 0..3 {
            last = tree.picture(&self.prefix[3 * i..3 * i + 3], self.marks);
        }
        for (group, branch) in protocol::groups(&self.rubric)
            .iter()
            .zip(protocol::closer_branches(&self.rubric))
        {
            let way = |shown: &Shown| -> f64 {
                group
                    .axes
                    .iter()
                    .map(|&i| reference.distance(shown, self.axes[i]))
                    .sum()
            };
            // Sure from a difference of about a third; a tie is a tie.
            let third = 1.0 / (1.0 + (-12.0 * (way(a) - way(b))).exp());
            // There are few of these, so each weighs more.
            let weigh = |share: f64| CLOSER_WEIGHT * share;
            let answers = [
                (self.one(self.prompter.text("2")), weigh(1.0 - third)),
                (self.one(self.prompter.text("3")), weigh(third)),
            ];
            let axis = group.axes.first().map_or(0, |&i| self.number(i));
            self.put(&mut tree, last, &branch, &[], &[target(CLOSER, axis, answers)]);
        }
        tree
    }

    /// For every axis a question on the score and what kind it is: without values in half of them,
    /// with wrong ones in a tenth.
    fn scores(&self, reference: &Shown, other: &Shown, order: Order, rng: &mut Rng) -> Vec<(Branch, u8)> {
        // Of grey pictures every value is wrong: there is nothing to see, and nothing that differs.
        let grey = reference == &Source::GREY && other == &Source::GREY;
        let wrong = rng.random_bool(0.2);
        let base = Scene::random(rng);
        let edits = rng.random_range(1..=3);
        let edited = with_edits(&base, edits, rng);
        let mut seen = |shown: &Shown| -> Vec<AxisValue> {
            let strange = Shown::Scene(Scene::random_partly_hidden(rng));
            let from = if wrong { &strange } else { shown };
            self.axes
                .iter()
                .map(|&a| AxisValue {
                    visible: f64::from(u8::from(from.shows(a))),
                    value: from.words(a).unwrap_or_default(),
                })
                .collect()
        };
        let (of_reference, of_other) = if grey && !wrong {
            (seen(&Shown::Scene(base)), seen(&Shown::Scene(edited)))
        } else {
            (seen(reference), seen(other))
        };
        let differences: Vec<String> = (0..self.axes.len())
            .map(|axis| self.difference(reference, other, axis))
            .collect();
        let asked = [
            Before::Nothing,
            Before::Values(&of_reference, &of_other),
            Before::Differences(&differences),
        ]
        .map(|before| protocol::score_branches(&self.rubric, order, &before));
        (0..self.axes.len())
            .map(|axis| {
                let mode: u8 = match rng.random_range(0..100) {
                    0..40 => 0,
                    40..90 => 1,
                    _ => 2,
                };
                (asked[usize::from(mode)][axis].clone(), DIGIT + mode)
            })
            .collect()
    }

    fn score(
        &self,
        tree: &mut Tree,
        parent: i16,
        (a, b): (&Shown, &Shown),
        (question, kind): &(Branch, u8),
        axis: usize,
    ) {
        let alike = 9.0 * (1.0 - a.distance(b, self.axes[axis]));
        let low = (alike.floor() as i32).clamp(0, 8);
        let share = alike - f64::from(low);
        let digit = |d: i32| self.one(self.prompter.text(&d.to_string()));
        let answers = [(digit(low), 1.0 - share), (digit(low + 1), share)];
        self.put(
            tree,
            parent,
            question,
            &[],
            &[target(*kind, self.number(axis), answers)],
        );
    }

    fn value(&self, tree: &mut Tree, parent: i16, shown: &Shown, question: &Branch, axis: usize) {
        let words = shown.words(self.axes[axis]).unwrap_or_else(|| "not visible".into());
        self.said(tree, parent, question, &words, VALUE, axis);
    }

    fn visible(&self, tree: &mut Tree, parent: i16, shown: &Shown, question: &Branch, axis: usize) {
        let word = if shown.shows(self.axes[axis]) { "yes" } else { "no" };
        let answer = self.one(self.prompter.text(word));
        let to = target(VISIBLE, self.number(axis), [(answer, 0.5), (0, 0.0)]);
        self.put(tree, parent, question, &[], &[to]);
    }

    /// A question answered in words, to its end.
    fn said(&self, tree: &mut Tree, parent: i16, question: &Branch, words: &str, kind: u8, axis: usize) {
        let mut answer = self.prompter.text(words);
        answer.push(self.end);
        // A document is long, and most of it is form.
        let weight = if kind == JSON { 0.05 } else { 0.4 };
        let targets: Vec<Target> = answer
            .iter()
            .map(|&id| {
                target(
                    kind,
                    self.number(axis),
                    [(u16::try_from(id).unwrap_or(0), weight), (0, 0.0)],
                )
            })
            .collect();
        // The end is asked for, not fed.
        self.put(tree, parent, question, &answer[..answer.len() - 1], &targets);
    }

    /// How the other picture differs, in the words the judge should write.
    fn difference(&self, reference: &Shown, other: &Shown, axis: usize) -> String {
        let attribute = self.axes[axis];
        let words = |shown: &Shown| shown.words(attribute).unwrap_or_else(|| "not visible".into());
        let (from, to) = (words(reference), words(other));
        if reference.distance(other, attribute) == 0.0 {
            "same".into()
        } else if from == to {
            "nearly the same".into()
        } else {
            format!("{to}, not {from}")
        }
    }

    fn put(&self, tree: &mut Tree, parent: i16, question: &Branch, answer: &[i32], targets: &[Target]) {
        // A branch without room is left out.
        if let Some(lead) = tree.lead(parent, &self.prompter.text(&question.lead)) {
            tree.branch(lead, &self.prompter.branch(&question.text), answer, targets);
        }
    }

    fn one(&self, ids: Vec<i32>) -> u16 {
        ids.first().and_then(|&id| u16::try_from(id).ok()).unwrap_or(0)
    }

    /// The attribute's number, whatever the order of the rubric.
    fn number(&self, axis: usize) -> u8 {
        let at = ATTRIBUTES.iter().position(|a| *a == self.axes[axis]).unwrap_or(0);
        u8::try_from(at).unwrap_or(u8::MAX)
    }
}

fn target(kind: u8, axis: u8, answers: [(u16, f64); 2]) -> Target {
    Target {
        tokens: answers.map(|a| a.0),
        weights: answers.map(|a| a.1 as f32),
        kind,
        axis,
    }
}
