//! The cases of the tests: scenes that follow from a seed, and their pictures.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use scenes::{ATTRIBUTES, Attribute, Distortion, Drawn, Rng, Scene, draw};

use imaging::{Picture, PictureError};

/// Pixels a side of rendered pictures: more than a small judge is shown, so that fitting is tested.
const SIDE: u32 = 256;

/// The source of randomness of one test: tests do not depend on which others run.
pub(super) fn rng(seed: u64, test: u64) -> Rng {
    scenes::rng(seed.wrapping_mul(1_000_003).wrapping_add(test))
}

/// A scene's picture.
pub(super) fn picture(scene: &Scene) -> Result<Picture, PictureError> {
    wrapped(draw(scene, SIDE))
}

/// A scene's picture, distorted.
pub(super) fn distorted(scene: &Scene, distortion: Distortion<'_>, rng: &mut Rng) -> Result<Picture, PictureError> {
    wrapped(distortion.applied(&draw(scene, SIDE), rng))
}

/// A plain grey picture of the same size.
pub(super) fn grey() -> Result<Picture, PictureError> {
    Picture::from_pixels(SIDE, SIDE, vec![128; (SIDE * SIDE * 3) as usize])
}

fn wrapped(drawn: Drawn) -> Result<Picture, PictureError> {
    Picture::from_pixels(drawn.side, drawn.side, drawn.rgb)
}

/// A scene and the same with one attribute changed.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub base: Scene,
    pub edited: Scene,
    pub attribute: Attribute,
}

/// Edits of at least half the full distance, each attribute as often as the others.
pub(super) fn edits(seed: u64, count: usize) -> Vec<Edit> {
    let mut rng = rng(seed, 4);
    (0..count)
        .map(|i| {
            let attribute = ATTRIBUTES[i % ATTRIBUTES.len()];
            loop {
                let base = Scene::random(&mut rng);
                let strength = rng.random_range(0.6..1.0);
                let edited = base.renewed(&mut rng).edited(attribute, strength, &mut rng);
                // The frame does not allow every edit of size and place.
                if base.distance(&edited, attribute) >= 0.5 {
                    return Edit {
                        base,
                        edited,
                        attribute,
                    };
                }
            }
        })
        .collect()
}

/// A scene and five steps away from it on one graded attribute.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    pub base: Scene,
    pub steps: Vec<Scene>,
    pub attribute: Attribute,
}

/// Growing edits, each graded attribute as often as the others.
pub(super) fn steps(seed: u64, count: usize) -> Vec<Steps> {
    let graded: Vec<Attribute> = ATTRIBUTES.into_iter().filter(|a| a.is_graded()).collect();
    let mut rng = rng(seed, 5);
    (0..count)
        .map(|i| {
            let attribute = graded[i % graded.len()];
            let base = Scene::random(&mut rng);
            let steps = base.steps(attribute, 5, &mut rng);
            Steps { base, steps, attribute }
        })
        .collect()
}

/// A reference and two pictures that differ from it on one attribute, one more than the other.
#[derive(Clone, Debug)]
pub(super) struct Triplet {
    pub reference: Scene,
    /// The closer one first.
    pub closer: Scene,
    pub further: Scene,
    pub attribute: Attribute,
    /// Whether the closer one is as good as the same, and the further one far off.
    pub easy: bool,
}

/// Triplets, half of them easy, half one step of five apart.
pub(super) fn triplets(seed: u64, count: usize) -> Vec<Triplet> {
    let graded: Vec<Attribute> = ATTRIBUTES.into_iter().filter(|a| a.is_graded()).collect();
    let mut rng = rng(seed, 7);
    (0..count)
        .map(|i| {
            if i % 2 == 0 {
                easy(&mut rng)
            } else {
                let reference = Scene::random(&mut rng);
                let attribute = *graded.choose(&mut rng).unwrap_or(&Attribute::Colour);
                let steps = reference.steps(attribute, 5, &mut rng);
                let at = rng.random_range(0..4);
                Triplet {
                    closer: steps[at].clone(),
                    further: steps[at + 1].clone(),
                    reference,
                    attribute,
                    easy: false,
                }
            }
        })
        .collect()
}

fn easy(rng: &mut Rng) -> Triplet {
    let attribute = *ATTRIBUTES.choose(rng).unwrap_or(&Attribute::Colour);
    loop {
        let reference = Scene::random(rng);
        let further = reference.renewed(rng).edited(attribute, 1.0, rng);
        // The frame does not allow every edit of size and place.
        if reference.distance(&further, attribute) >= 0.6 {
            return Triplet {
                closer: reference.renewed(rng),
                further,
                reference,
                attribute,
                easy: true,
            };
        }
    }
}

/// A reference, a picture that already has all but some of its attributes, and what to change.
#[derive(Clone, Debug)]
pub(super) struct Calibration {
    pub reference: Scene,
    pub start: Scene,
    /// Per candidate change: the attribute, and how far from the reference it puts it; a change that
    /// says nothing has none.
    pub changes: Vec<Option<(Attribute, f32)>>,
}

/// A calibration with planted changes: five that put an attribute right, four that put one wrong
/// that was right, three that say nothing.
pub(super) fn calibration(seed: u64, number: usize) -> Calibration {
    use rand::seq::SliceRandom as _;
    let mut rng = rng(seed, 1100 + number as u64);
    let mut attributes = ATTRIBUTES;
    attributes.shuffle(&mut rng);
    let reference = Scene::random(&mut rng);
    let mut start = reference.renewed(&mut rng);
    for &attribute in &attributes[..5] {
        start = start.edited(attribute, EFFECT, &mut rng);
    }
    let mut changes: Vec<Option<(Attribute, f32)>> = attributes[..5].iter().map(|&a| Some((a, 0.0))).collect();
    changes.extend(attributes[5..9].iter().map(|&a| Some((a, EFFECT))));
    changes.extend([None; 3]);
    Calibration {
        reference,
        start,
        changes,
    }
}

/// How far a planted change moves its attribute.
pub(super) const EFFECT: f32 = 0.5;

/// What a seed does to a generation: every attribute is moved with this probability, by a random
/// distance, so that the difference of two generations' overall distance has a standard deviation
/// of `noise` times a planted change.
///
/// With `q` the probability and `n` attributes the variance of a mean distance is
/// `(q/3 − q²/4) / n`, and that of a difference twice as much.
pub(super) fn shaken(scene: &Scene, noise: f64, rng: &mut Rng) -> Scene {
    let n = ATTRIBUTES.len() as f64;
    let wanted = (noise * f64::from(EFFECT) / n).powi(2) * n / 2.0;
    // The smaller root of q²/4 − q/3 + wanted = 0.
    let probability = (2.0 / 3.0 - (4.0 / 9.0 - 4.0 * wanted).max(0.0).sqrt()).clamp(0.0, 1.0);
    let mut shaken = scene.renewed(rng);
    for attribute in ATTRIBUTES {
        if rng.random_bool(probability) {
            shaken = shaken.edited(attribute, rng.random_range(0.05..1.0), rng);
        }
    }
    shaken
}
