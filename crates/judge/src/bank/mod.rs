//! The floor bank: four pictures unlike each other and unlike usual references.
//!
//! A judge that is shown a reference beside one of these has to answer "unrelated"; what it answers
//! is its floor. The files are drawn by `tools/pictures/make_pictures.py`. Changing one changes every
//! stored floor, so it belongs to the protocol version.

/// One picture of the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BankPicture {
    /// A stable name for reports.
    pub name: &'static str,
    /// The bytes of a JPEG file, 320×320 px.
    pub bytes: &'static [u8],
}

/// How many pictures the bank holds.
pub const BANK_SIZE: usize = 4;

/// The pictures, always in the same order.
pub fn bank() -> [BankPicture; BANK_SIZE] {
    [
        BankPicture {
            name: "mountain_lake",
            bytes: include_bytes!("mountain_lake.jpg"),
        },
        BankPicture {
            name: "still_life",
            bytes: include_bytes!("still_life.jpg"),
        },
        BankPicture {
            name: "weave",
            bytes: include_bytes!("weave.jpg"),
        },
        BankPicture {
            name: "page",
            bytes: include_bytes!("page.jpg"),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use imaging::{Limits, Signals, decode};

    #[test]
    fn the_pictures_are_small_and_unlike_each_other() {
        let pictures = bank().map(|entry| {
            assert!(entry.bytes.len() <= 40_000, "{} is too large", entry.name);
            let picture = decode(entry.bytes, &Limits::default()).unwrap();
            assert_eq!((picture.width(), picture.height()), (320, 320), "{}", entry.name);
            picture
        });
        for (i, first) in pictures.iter().enumerate() {
            for (j, second) in pictures.iter().enumerate().skip(i + 1) {
                let signals = Signals::between(first, second).unwrap();
                let pair = (bank()[i].name, bank()[j].name);
                assert!(signals.palette > 10.0, "{pair:?} {signals:?}");
                assert!(signals.ssim < 0.6, "{pair:?} {signals:?}");
                assert!(signals.phash > 14, "{pair:?} {signals:?}");
            }
        }
    }
}
