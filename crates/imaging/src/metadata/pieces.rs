//! The pieces that picture files are made of, by their heads alone.

use std::iter;

use crate::png;

/// A kind of file whose pieces are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Webp,
    Jpeg,
}

/// A piece of a file.
pub(super) struct Piece<'a> {
    /// What it calls itself.
    pub kind: &'a [u8],
    /// What it holds.
    pub data: &'a [u8],
    /// With its head, its checksum and what fills it up.
    pub whole: &'a [u8],
}

impl Format {
    /// The format of a file, and where its pieces begin.
    pub fn of(file: &[u8]) -> Option<(Self, usize)> {
        if file.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some((Self::Png, 8))
        } else if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
            Some((Self::Webp, 12))
        } else if file.starts_with(b"\xff\xd8\xff") {
            Some((Self::Jpeg, 2))
        } else {
            None
        }
    }

    /// The whole pieces of what follows a file's head; of a JPEG those before its pixels.
    pub fn pieces(self, body: &[u8]) -> impl Iterator<Item = Piece<'_>> {
        let mut rest = body;
        iter::from_fn(move || {
            let piece = self.first(rest)?;
            rest = &rest[piece.whole.len()..];
            Some(piece)
        })
    }

    fn first(self, rest: &[u8]) -> Option<Piece<'_>> {
        let (kind, data, length) = match self {
            Self::Png => {
                let (head, tail) = rest.split_at_checked(8)?;
                let length = number(u32::from_be_bytes(head[..4].try_into().ok()?))?;
                (&head[4..], tail.get(..length)?, length.checked_add(12)?)
            }
            Self::Webp => {
                let (head, tail) = rest.split_at_checked(8)?;
                let length = number(u32::from_le_bytes(head[4..].try_into().ok()?))?;
                let filled = length.checked_add(length % 2)?.checked_add(8)?;
                // Writers forget to fill the last one up.
                (&head[..4], tail.get(..length)?, filled.min(rest.len()))
            }
            Self::Jpeg => {
                let [0xff, 0xc0..=0xcf | 0xdb..=0xdf | 0xe0..=0xef | 0xfe, high, low, ..] = rest else {
                    return None;
                };
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                (&rest[1..2], rest.get(4..length + 2)?, length + 2)
            }
        };
        let whole = rest.get(..length)?;
        Some(Piece { kind, data, whole })
    }

    /// Whether such a piece holds a text and nothing of the picture.
    pub fn is_text(self, piece: &Piece<'_>) -> bool {
        match self {
            // What was written here, the size that a picture had, is no stranger's text.
            Self::Png if piece.kind == b"tEXt" => png::note(piece.data).is_none(),
            Self::Png => matches!(piece.kind, b"iTXt" | b"zTXt" | b"eXIf"),
            Self::Webp => matches!(piece.kind, b"EXIF" | b"XMP "),
            // EXIF and XMP, Photoshop's, and comments.
            Self::Jpeg => matches!(piece.kind, [0xe1 | 0xed | 0xfe]),
        }
    }

    /// The file without the pieces that hold texts.
    pub fn without_texts(self, file: &[u8], begin: usize) -> Vec<u8> {
        let (head, body) = file.split_at(begin.min(file.len()));
        let (mut kept, mut read, mut removed) = (head.to_vec(), 0, 0);
        for piece in self.pieces(body) {
            read += piece.whole.len();
            if self.is_text(&piece) {
                removed += piece.whole.len();
                continue;
            }
            let at = kept.len();
            kept.extend_from_slice(piece.whole);
            if self == Self::Webp
                && piece.kind == b"VP8X"
                && let Some(flags) = kept.get_mut(at + 8)
            {
                // It says whether EXIF and XMP are there.
                *flags &= !0b1100;
            }
        }
        // Pixels of a JPEG, or what follows the last whole piece.
        kept.extend_from_slice(&body[read..]);
        if self == Self::Webp
            && let Some(size) = kept.get_mut(4..8)
            && let Ok(before) = <[u8; 4]>::try_from(&*size)
        {
            let removed = u32::try_from(removed).unwrap_or(u32::MAX);
            size.copy_from_slice(&u32::from_le_bytes(before).saturating_sub(removed).to_le_bytes());
        }
        kept
    }
}

fn number(length: u32) -> Option<usize> {
    usize::try_from(length).ok()
}
