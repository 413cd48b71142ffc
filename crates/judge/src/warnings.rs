//! What must be said aloud about a judgement before its numbers are trusted, and what to do about it.

use super::verdict::Flag;
use imaging::PictureFlag;

impl Flag {
    /// The warning in words; nothing for flags that need no action.
    #[must_use]
    pub fn warning(self) -> Option<String> {
        let text = match self {
            Self::UntrainedModel => {
                "WARNING: the judge's weights are random, so its numbers and words mean nothing; the user must configure a trained Qwen3-VL (--model and --mmproj)."
            }
            Self::NarrowModel => {
                "NOTE: the bundled judge knows rendered scenes only; on other pictures its numbers mean nothing until the user configures a Qwen3-VL (--model and --mmproj)."
            }
            Self::SelfCheckFailed => {
                "WARNING: the judge failed its self-check: it does not tell an identical pair from an unrelated one."
            }
            Self::ShapeMismatch => {
                "The pictures differ in aspect ratio, which lowers composition axes: set width and height to the reference's."
            }
            Self::Reference(changed) => return Some(decoding(changed, "reference")),
            Self::Generated(changed) => return Some(decoding(changed, "generated picture")),
            Self::UnknownArchitecture => {
                "NOTE: the judge's model is no Qwen3-VL, and this protocol was never measured on its kind: run `prompt-calibrator eval` before trusting it."
            }
            Self::FewAxes => {
                "WARNING: the overall score rests on one or two axes only: read those axes, and do not trust the overall score."
            }
            Self::TinyReference => {
                "WARNING: the reference has a side of fewer than 64 pixels and shows too little to be judged: use a larger one."
            }
            Self::TinyGenerated => {
                "WARNING: the generated picture has a side of fewer than 64 pixels and shows too little to be judged: render a larger one."
            }
            Self::EditedReference => {
                "NOTE: what the reference shows was corrected by hand; `gen` is still the judge's own reading, and may name a match otherwise."
            }
            Self::ThinkingClosed | Self::NothingCounts => return None,
        };
        Some(text.to_owned())
    }
}

/// What decoding changed in a picture, and what to do where another thing was meant.
fn decoding(changed: PictureFlag, picture: &str) -> String {
    match changed {
        PictureFlag::Animated => format!(
            "The {picture} is animated and only its first frame counts: save another one as PNG if that is meant."
        ),
        PictureFlag::AlphaOnWhite => format!(
            "Transparent parts of the {picture} were laid on white: save it on another background if that is meant."
        ),
        PictureFlag::ReducedDepth => {
            format!("The {picture} has more than 8 bits a sample and was reduced to 8, which needs no action.")
        }
        PictureFlag::Turned => format!(
            "The {picture} was turned upright by its orientation tag: take width and height from it as it is shown."
        ),
        PictureFlag::FromCmyk => {
            format!("The {picture} is CMYK, so its colours are approximate: save it as an sRGB PNG for exact ones.")
        }
        PictureFlag::ReducedSize => {
            format!("The {picture} had more pixels than the judge can see and was reduced, which needs no action.")
        }
    }
}
