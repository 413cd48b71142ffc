//! What is judged: rubrics of any length, and pictures that nobody has seen.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use rand::RngExt as _;
use serde_json::Value;

use super::BenchError;
use imaging::Picture;
use judge::SelfCheck;
use judge::cache::{Kind, Memory, MemoryError, MemoryKey, Remembered};
use judge::rubric::{Rubric, RubricError, RubricProblem};
use types::AxisId;

/// Pixels a side of rendered scenes; fitting enlarges them to any budget.
const SIDE: u32 = 256;

/// The default rubric cut or prolonged to this many axes; those beyond its own are their copies under other
/// names.
///
/// # Errors
/// [`RubricError`] when a name grows too long.
pub fn rubric(axes: usize) -> Result<Rubric, RubricError> {
    let mut rubric = Rubric::builtin("default")?;
    let own = rubric.axes.clone();
    let count = own.len();
    rubric.axes = own.into_iter().cycle().take(axes).collect();
    for (n, axis) in rubric.axes.iter_mut().enumerate().skip(count) {
        let name = format!("{}_{}", axis.id, n / count + 1);
        axis.id = AxisId::new(name).map_err(|error| RubricError::without_place(RubricProblem::BadId(error)))?;
    }
    Ok(rubric)
}

/// Where the pictures come from. Each call of [`Pictures::fresh`] gives others.
pub struct Pictures {
    given: Option<(Picture, Picture)>,
    next: AtomicU64,
}

impl Pictures {
    /// Rendered scenes.
    #[must_use]
    pub fn scenes() -> Self {
        Self {
            given: None,
            next: AtomicU64::new(1),
        }
    }

    /// A pair, with a small mark in a corner that makes each copy another picture.
    #[must_use]
    pub fn pair(reference: Picture, generated: Picture) -> Self {
        Self {
            given: Some((reference, generated)),
            next: AtomicU64::new(1),
        }
    }

    /// A reference and two pictures to compare with it, never seen before.
    ///
    /// # Errors
    /// [`BenchError::Picture`].
    pub fn fresh(&self) -> Result<[Picture; 3], BenchError> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        match &self.given {
            Some((reference, generated)) => Ok([
                marked(reference, 3 * n)?,
                marked(generated, 3 * n + 1)?,
                marked(generated, 3 * n + 2)?,
            ]),
            None => {
                let mut rng = scenes::rng(n);
                let mut scene = || {
                    let drawn = scenes::draw(&scenes::Scene::random(&mut rng), SIDE);
                    Picture::from_pixels(drawn.side, drawn.side, drawn.rgb)
                };
                Ok([scene()?, scene()?, scene()?])
            }
        }
    }
}

/// The picture with a sixteenth of its sides' upper left corner in a colour of its own.
fn marked(picture: &Picture, n: u64) -> Result<Picture, BenchError> {
    let (width, height) = (picture.width(), picture.height());
    let colour: [u8; 3] = scenes::rng(n).random();
    let mut rgb = picture.rgb().to_vec();
    let (columns, rows) = ((width / 16).max(1) as usize, (height / 16).max(1) as usize);
    for row in rgb.chunks_exact_mut(width as usize * 3).take(rows) {
        for pixel in row.chunks_exact_mut(3).take(columns) {
            pixel.copy_from_slice(&colour);
        }
    }
    Ok(Picture::from_pixels(width, height, rgb)?)
}

/// A memory without anything in it but a self-check, so that none is made: it is no part of what is measured.
pub(super) struct NoChecks;

impl Memory for NoChecks {
    fn load<'a>(&'a self, key: &'a MemoryKey) -> BoxFuture<'a, Result<Option<Remembered>, MemoryError>> {
        let found = (key.kind == Kind::SelfCheck)
            .then(|| serde_json::to_value(SelfCheck::skipped()).ok())
            .flatten()
            .map(|value| Remembered { value, edited: false });
        Box::pin(std::future::ready(Ok(found)))
    }

    fn store<'a>(&'a self, _: &'a MemoryKey, _: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn edit<'a>(&'a self, _: &'a MemoryKey, _: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubrics_of_any_length_have_different_names() {
        for axes in [1, 21, 40, 120] {
            let rubric = rubric(axes).unwrap();
            let mut names: Vec<&str> = rubric.axes.iter().map(|a| a.id.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), axes);
        }
    }

    #[test]
    fn no_picture_comes_twice() {
        let one = Picture::from_pixels(64, 32, vec![7; 64 * 32 * 3]).unwrap();
        for pictures in [Pictures::scenes(), Pictures::pair(one.clone(), one)] {
            let mut seen: Vec<_> = (0..4).flat_map(|_| pictures.fresh().unwrap()).collect();
            let total = seen.len();
            seen.sort_by(|a, b| a.rgb().cmp(b.rgb()));
            seen.dedup_by(|a, b| a.rgb() == b.rgb());
            assert_eq!(seen.len(), total);
        }
    }
}
