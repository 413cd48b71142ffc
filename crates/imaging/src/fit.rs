//! Fitting pictures to the judge's token budget.
//!
//! Qwen3-VL cuts a picture into patches of 16 px and merges 2×2 of them: one image token covers
//! 32×32 px. Both pictures of a pair get the same budget, small ones are enlarged to it, so that
//! neither is seen in more detail than the other.

use super::{Picture, PictureError, resample};

/// Pixels a side that one image token covers.
pub const TOKEN_SIDE: u32 = 32;

/// Grids are no longer than this many times their breadth.
const MAX_ASPECT: f64 = 8.0;

/// Beyond this stretch (as a ratio of aspects) the picture is letterboxed instead.
const MAX_STRETCH: f64 = 1.12;

/// The grey of letterbox bars: the middle of the range the model normalises to.
const BAR_GREY: u8 = 128;

/// How much an unused share of the budget weighs against distortion when a grid is chosen. Half:
/// a 2 % better aspect is worth 4 % of the tokens.
const UNUSED_WEIGHT: f64 = 0.5;

/// Aspects further apart than this ratio are a [`ShapeMismatch`].
const SAME_SHAPE: f64 = 1.10;

/// How many image tokens a picture may take: 1 to [`TokenBudget::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenBudget(u32);

impl TokenBudget {
    /// The largest budget: what Qwen3-VL's own preprocessing allows for one picture.
    pub const MAX: u32 = 16_384;

    /// A budget of `tokens` image tokens.
    ///
    /// # Errors
    /// [`PictureError::Budget`] outside 1 to [`TokenBudget::MAX`].
    pub fn new(tokens: u32) -> Result<Self, PictureError> {
        if (1..=Self::MAX).contains(&tokens) {
            Ok(Self(tokens))
        } else {
            Err(PictureError::Budget { tokens, max: Self::MAX })
        }
    }

    /// The number of tokens.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// A picture resized for the judge. Both sides are multiples of [`TOKEN_SIDE`].
#[derive(Clone, PartialEq, Eq)]
pub struct Fitted {
    /// Pixels: three bytes each, row by row.
    pub rgb: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Image tokens: `width / 32 × height / 32`, within the budget.
    pub tokens: u32,
    /// Whether grey bars were added because no grid has about the picture's aspect.
    pub letterboxed: bool,
}

impl std::fmt::Debug for Fitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fitted")
            .field("size", &format_args!("{}x{}", self.width, self.height))
            .field("tokens", &self.tokens)
            .field("letterboxed", &self.letterboxed)
            .finish()
    }
}

/// Two pictures of different shape: composition axes then compare what was never comparable.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ShapeMismatch {
    /// Width ÷ height of the reference.
    pub reference_aspect: f64,
    /// Width ÷ height of the generated picture.
    pub generated_aspect: f64,
}

/// Resizes `picture` to a grid of tokens within `budget`.
///
/// The grid is the one with the least distortion and the fewest unused tokens: from 1024 tokens on, at
/// least 88 % of the budget with at most 7 % of stretch; with a few hundred, a long strip may use no
/// more than 75 %, since few grids have its shape. Where even that
/// would stretch the picture by more than 12 % (aspects beyond 8:1, tiny budgets), it keeps its
/// aspect between grey bars. Equal inputs give equal bytes.
///
/// # Errors
/// [`PictureError::Internal`] if resizing fails.
pub fn fit(picture: &Picture, budget: TokenBudget) -> Result<Fitted, PictureError> {
    let aspect = picture.aspect();
    let grid = choose_grid(aspect.clamp(1.0 / MAX_ASPECT, MAX_ASPECT), budget);
    let (width, height) = (grid.columns * TOKEN_SIDE, grid.rows * TOKEN_SIDE);
    let size = (picture.width(), picture.height());
    let letterboxed = stretch(aspect, grid.aspect()) > MAX_STRETCH;
    let rgb = if letterboxed {
        let ratio = (f64::from(width) / f64::from(size.0)).min(f64::from(height) / f64::from(size.1));
        let inner = (
            resample::scaled(size.0, ratio).min(width),
            resample::scaled(size.1, ratio).min(height),
        );
        let pixels = resample::resize(picture.rgb(), size, inner)?;
        on_grey(&pixels, inner, (width, height))
    } else {
        resample::resize(picture.rgb(), size, (width, height))?
    };
    Ok(Fitted {
        rgb,
        width,
        height,
        tokens: grid.columns * grid.rows,
        letterboxed,
    })
}

/// Whether the aspects of two pictures differ by more than 10 %.
pub fn shape_mismatch(reference: &Picture, generated: &Picture) -> Option<ShapeMismatch> {
    let (a, b) = (reference.aspect(), generated.aspect());
    (stretch(a, b) > SAME_SHAPE).then_some(ShapeMismatch {
        reference_aspect: a,
        generated_aspect: b,
    })
}

/// How many times the one aspect is the other; at least 1.
fn stretch(a: f64, b: f64) -> f64 {
    (a / b).max(b / a)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grid {
    columns: u32,
    rows: u32,
}

impl Grid {
    fn aspect(self) -> f64 {
        f64::from(self.columns) / f64::from(self.rows)
    }

    /// Distortion and unused budget, both as logarithms of ratios; 0 is perfect.
    fn cost(self, aspect: f64, budget: u32) -> f64 {
        let used = f64::from(self.columns) * f64::from(self.rows);
        stretch(self.aspect(), aspect).ln() + UNUSED_WEIGHT * (f64::from(budget) / used).ln()
    }
}

fn choose_grid(aspect: f64, budget: TokenBudget) -> Grid {
    let budget = budget.get();
    let mut best = Grid { columns: 1, rows: 1 };
    let mut best_cost = best.cost(aspect, budget);
    for rows in 1..=budget {
        let most = budget / rows;
        let ideal = (aspect * f64::from(rows)).floor() as u32;
        for columns in [ideal, ideal.saturating_add(1), most] {
            let grid = Grid {
                columns: columns.clamp(1, most),
                rows,
            };
            let cost = grid.cost(aspect, budget);
            // Strictly smaller: among equals the first, so that the choice is deterministic.
            if cost < best_cost {
                (best, best_cost) = (grid, cost);
            }
        }
    }
    best
}

fn on_grey(pixels: &[u8], inner: (u32, u32), outer: (u32, u32)) -> Vec<u8> {
    let row = |width: u32| width as usize * 3;
    let mut canvas = vec![BAR_GREY; row(outer.0) * outer.1 as usize];
    let left = row((outer.0 - inner.0) / 2);
    let top = ((outer.1 - inner.1) / 2) as usize;
    let rows = canvas.chunks_exact_mut(row(outer.0)).skip(top);
    for (target, source) in rows.zip(pixels.chunks_exact(row(inner.0))) {
        target[left..left + source.len()].copy_from_slice(source);
    }
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least share of the budget that is used and the most stretch, over aspects from 1:8 to 8:1.
    fn worst(tokens: u32) -> (f64, f64) {
        let aspects = (-300..=300).map(|step| 2_f64.powf(f64::from(step) / 100.0));
        aspects.fold((1.0, 1.0), |(used, stretched): (f64, f64), aspect| {
            let grid = choose_grid(aspect, TokenBudget(tokens));
            let share = f64::from(grid.columns * grid.rows) / f64::from(tokens);
            assert!(share <= 1.0, "{grid:?} exceeds {tokens}");
            (used.min(share), stretched.max(stretch(grid.aspect(), aspect)))
        })
    }

    #[test]
    fn budgets_in_use_are_used() {
        for tokens in [1024, 1280, 1536, 2048, 4096] {
            let (used, stretched) = worst(tokens);
            assert!(used >= 0.88 && stretched <= 1.07, "{tokens}: {used} {stretched}");
        }
    }

    #[test]
    fn small_budgets_are_mostly_used() {
        for tokens in [255, 256, 400, 512] {
            let (used, stretched) = worst(tokens);
            assert!(used >= 0.75 && stretched <= 1.15, "{tokens}: {used} {stretched}");
        }
    }
}
