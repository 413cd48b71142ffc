//! Which pieces of a file are there: the plan, and the lines of the file that remembers it. No I/O.

use std::ops::Range;

/// Largest piece: what is lost at most, a connection, when a download is killed.
const LARGEST: u64 = 32 << 20;
/// Smallest piece, below which a request costs more than what it brings.
const SMALLEST: u64 = 64 << 10;
/// Pieces that even a small file is cut into, so that connections share it.
const SHARES: u64 = 8;

/// How a file is cut, and which pieces of it are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    size: u64,
    piece: u64,
    done: Vec<bool>,
}

impl Pieces {
    /// Nothing of a file of `size` bytes is there yet.
    pub(super) fn new(size: u64) -> Self {
        let piece = size.div_ceil(SHARES).clamp(SMALLEST, LARGEST);
        let count = usize::try_from(size.div_ceil(piece)).unwrap_or(0);
        let done = vec![false; count];
        Self { size, piece, done }
    }

    /// What the lines say, as far as they are about this file, cut like this; `there` bytes of it lie on the disk.
    pub(super) fn read(size: u64, there: u64, text: &str) -> Self {
        let mut pieces = Self::new(size);
        let mut lines = text.split_inclusive('\n').map(|line| line.strip_suffix('\n'));
        if lines.next().flatten() != Some(pieces.head().trim_end()) {
            return pieces;
        }
        // The last line has no end where a kill tore it.
        for at in lines.flatten().filter_map(|line| line.parse::<usize>().ok()) {
            if at < pieces.done.len() && pieces.range(at).end <= there {
                pieces.done[at] = true;
            }
        }
        pieces
    }

    /// The first line.
    pub(super) fn head(&self) -> String {
        format!("pieces of {} in {}\n", self.piece, self.size)
    }

    /// All lines.
    pub(super) fn lines(&self) -> String {
        let done = (0..self.done.len()).filter(|at| self.done[*at]);
        self.head() + &done.map(Self::line).collect::<String>()
    }

    /// The line that says that a piece is there.
    pub(super) fn line(at: usize) -> String {
        format!("{at}\n")
    }

    /// The bytes of a piece.
    pub(super) fn range(&self, at: usize) -> Range<u64> {
        let start = at as u64 * self.piece;
        start..(start + self.piece).min(self.size)
    }

    /// The pieces that are not there yet.
    pub(super) fn missing(&self) -> Vec<usize> {
        (0..self.done.len()).filter(|at| !self.done[*at]).collect()
    }

    /// A piece is there.
    pub(super) fn finish(&mut self, at: usize) {
        if let Some(done) = self.done.get_mut(at) {
            *done = true;
        }
    }

    /// Bytes that are there, in whole pieces.
    pub(super) fn bytes(&self) -> u64 {
        let done = (0..self.done.len()).filter(|at| self.done[*at]);
        done.map(|at| self.range(at).end - self.range(at).start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_file_exactly() {
        for size in [
            1,
            4,
            SMALLEST,
            SMALLEST + 1,
            500_001,
            8 * LARGEST,
            8 * LARGEST + 1,
            18_556_687_168,
        ] {
            let pieces = Pieces::new(size);
            let mut at = 0;
            for piece in pieces.missing() {
                let range = pieces.range(piece);
                assert!(range.start == at && range.end > at && range.end - range.start <= LARGEST);
                at = range.end;
            }
            assert_eq!(at, size);
        }
        assert_eq!(Pieces::new(1 << 20).missing().len(), 8);
        assert_eq!(Pieces::new(0).missing(), [0; 0]);
    }

    #[test]
    fn lines_are_read_back_and_never_believed_too_much() {
        let size = 1 << 20;
        let mut pieces = Pieces::new(size);
        pieces.finish(0);
        pieces.finish(7);
        assert_eq!(Pieces::read(size, size, &pieces.lines()), pieces);
        assert_eq!(pieces.bytes(), size / 4);
        let head = pieces.head();
        let missing = |there: u64, text: &str| Pieces::read(size, there, text).missing().len();
        assert_eq!(
            missing(size, &format!("{head}3\n4\n4\n5")),
            6,
            "a torn line, and one twice"
        );
        assert_eq!(
            missing(size / 8 * 4, &format!("{head}3\n4\n")),
            7,
            "more than lies on the disk"
        );
        assert_eq!(missing(size, &format!("{head}8\n-1\nx\n99999999999999999999\n")), 8);
        assert_eq!(missing(size, "pieces of 1 in 2\n1\n"), 8, "another file");
        assert_eq!(missing(size, ""), 8);
        assert_eq!(missing(size, head.trim_end()), 8);
    }
}
