//! What can be wrong with a picture, and what to do about it.

use types::PictureFormat;

/// A picture that cannot be used. Nothing was changed and nothing is kept from the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// There are no bytes at all.
    #[error("the picture file is empty (0 bytes)")]
    Empty,
    /// More bytes than allowed; nothing was decoded.
    #[error("the picture file has {bytes} bytes, the limit is {limit}; it was not decoded")]
    TooManyBytes {
        /// Size of the file.
        bytes: u64,
        /// The limit in force.
        limit: u64,
    },
    /// More pixels than allowed, according to the header; nothing was decoded.
    #[error("the picture has {width}x{height} pixels, the limit is {limit} pixels; it was not decoded")]
    TooManyPixels {
        /// Width in the header.
        width: u32,
        /// Height in the header.
        height: u32,
        /// The limit in force.
        limit: u64,
    },
    /// A side is longer than allowed, according to the header; nothing was decoded.
    #[error("the picture has {width}x{height} pixels, the limit for a side is {limit}; it was not decoded")]
    TooLong {
        /// Width in the header.
        width: u32,
        /// Height in the header.
        height: u32,
        /// The limit in force.
        limit: u32,
    },
    /// Decoding would take more memory than there is for it; nothing was decoded. It depends on the format and its kind.
    #[error(
        "the {} file of {width}x{height} pixels takes {} MiB to decode, the limit is {} MiB; it was not decoded",
        format.name(), needs.div_ceil(1 << 20), limit >> 20
    )]
    TooMuchMemory {
        /// The format that was recognised.
        format: PictureFormat,
        /// Width in the header.
        width: u32,
        /// Height in the header.
        height: u32,
        /// What decoding would take, in bytes.
        needs: u64,
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// The bytes are something else.
    #[error("this is not a picture: it looks like {looks_like}")]
    NotAPicture {
        /// A noun phrase with its article.
        looks_like: &'static str,
    },
    /// A picture in a format that is not read.
    #[error("this looks like {looks_like}, a picture format that is not read here")]
    Unsupported {
        /// A noun phrase with its article.
        looks_like: &'static str,
    },
    /// The file ends before the picture does.
    #[error("the {} file is cut off: it ends before the picture is complete", format.name())]
    Truncated {
        /// The format that was recognised.
        format: PictureFormat,
    },
    /// The decoder gave up.
    #[error("the {} file is damaged or of a kind that is not read: {reason}", format.name())]
    Broken {
        /// The format that was recognised.
        format: PictureFormat,
        /// What the decoder said.
        reason: String,
    },
    /// A header that promises a picture without pixels.
    #[error("the {} file holds no pixels ({width}x{height})", format.name())]
    NoPixels {
        /// The format that was recognised.
        format: PictureFormat,
        /// Width in the header.
        width: u32,
        /// Height in the header.
        height: u32,
    },
    /// Pixels handed over in this process do not fill the size they came with.
    #[error("{bytes} bytes are not {width}x{height} RGB pixels")]
    PixelBuffer {
        /// The width that was given.
        width: u32,
        /// The height that was given.
        height: u32,
        /// The bytes that were given.
        bytes: usize,
    },
    /// A token budget out of range.
    #[error("{tokens} image tokens are outside 1 to {max}")]
    Budget {
        /// What was asked for.
        tokens: u32,
        /// The largest budget.
        max: u32,
    },
    /// A contact sheet of no pictures or of too many.
    #[error("a contact sheet shows 1 to {max} pictures, {cells} were given")]
    SheetSize {
        /// How many were given.
        cells: usize,
        /// How many fit.
        max: usize,
    },
    /// Resizing or encoding failed: a defect here, not in the picture.
    #[error("{step} failed: {reason}")]
    Internal {
        /// What was being done.
        step: &'static str,
        /// What the library said.
        reason: String,
    },
}

impl PictureError {
    /// What to do next, in one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "Check that the file was written completely; save or download it again.".into(),
            Self::TooManyBytes { .. } => {
                "Save it smaller: 2048 px on the long side, as PNG or JPEG, is plenty for the judge.".into()
            }
            Self::TooManyPixels { .. } | Self::TooLong { .. } | Self::TooMuchMemory { .. } => {
                "Scale it down: 2048 px on the long side is plenty for the judge.".into()
            }
            Self::NotAPicture { .. } => "Check the path: give a PNG, JPEG, WebP, GIF, BMP or TIFF file.".into(),
            Self::Unsupported { .. } => "Convert it to PNG or JPEG and give that file.".into(),
            Self::Truncated { .. } => {
                "Fetch or save the file again; if a program is still writing it, wait until it is done.".into()
            }
            Self::Broken { .. } => "Open it in an image editor and export it as an 8-bit sRGB PNG.".into(),
            Self::NoPixels { .. } => "Give a picture of at least 1x1 pixels.".into(),
            Self::PixelBuffer { .. } => "Pass width x height x 3 bytes, with both sides at least 1.".into(),
            Self::Budget { max, .. } => {
                format!("Use between 1 and {max} image tokens; 1024 to 2048 show detail well.")
            }
            Self::SheetSize { max, .. } => {
                format!("Choose between 1 and {max} pictures for the sheet.")
            }
            Self::Internal { .. } => {
                "This is a defect of the program, not of the picture; please report it with this message.".into()
            }
        }
    }
}

types::hints!(PictureError);
