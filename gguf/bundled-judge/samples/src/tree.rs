//! A sample's tokens as a tree: pictures one behind the other, branches behind them.

use llama::cpp::Piece;

use crate::pictures::TOKENS;

/// Most segments of a sample.
pub const SEGMENTS: usize = 32;

/// What the next token should be, behind one position.
#[derive(Clone, Copy, Default)]
pub struct Target {
    /// One or two token ids.
    pub tokens: [u16; 2],
    /// Their weights in the loss; both 0 where nothing is asked.
    pub weights: [f32; 2],
    /// What kind of answer it is (an index into [`crate::questions::KINDS`]).
    pub kind: u8,
    /// Which axis (an index into the attributes).
    pub axis: u8,
}

/// One token.
#[derive(Clone, Copy)]
pub struct Leaf {
    pub token: u16,
    pub segment: i16,
    /// Time, height and width (M-RoPE).
    pub position: [i32; 3],
    pub target: Target,
}

/// A sample under construction.
pub struct Tree {
    pub leaves: Vec<Leaf>,
    pub parents: Vec<i16>,
    /// Position behind each segment.
    ends: Vec<i32>,
    /// Leads with the segment they stand behind and their own.
    leads: Vec<(i16, Vec<i32>, i16)>,
    room: usize,
}

/// Ids of the markers around a picture and of its place holder.
#[derive(Clone, Copy)]
pub struct PictureTokens {
    pub before: u16,
    pub inside: u16,
    pub after: u16,
}

impl Tree {
    /// Empty, with room for this many tokens, behind a system prompt.
    pub fn new(system: usize, room: usize) -> Self {
        Self {
            leaves: Vec::new(),
            parents: Vec::new(),
            ends: vec![i32::try_from(system).unwrap_or(i32::MAX)],
            leads: Vec::new(),
            room,
        }
    }

    /// Adds the next picture with its label, behind the ones before; its segment.
    pub fn picture(&mut self, pieces: &[Piece], marks: PictureTokens) -> i16 {
        let parent = i16::try_from(self.parents.len()).unwrap_or(0) - 1;
        let segment = self.open(parent);
        let mut at = self.end(parent);
        let side = TOKENS.isqrt().cast_signed();
        for piece in pieces {
            match piece {
                Piece::Tokens(ids) => at = self.text(segment, at, ids),
                Piece::Picture => {
                    self.push(marks.before, segment, [at; 3]);
                    at += 1;
                    for i in 0..TOKENS.cast_signed() {
                        // One moment, a grid of rows and columns; it takes as many positions as its longer side.
                        self.push(marks.inside, segment, [at, at + i / side, at + i % side]);
                    }
                    at += side;
                    self.push(marks.after, segment, [at; 3]);
                    at += 1;
                }
            }
        }
        self.ends.push(at);
        segment
    }

    /// The segment of a lead behind another segment, added when it is not there yet; nothing when there is
    /// no room for it.
    pub fn lead(&mut self, parent: i16, lead: &[i32]) -> Option<i16> {
        if lead.is_empty() {
            return Some(parent);
        }
        let known = self.leads.iter().find(|(to, text, _)| *to == parent && text == lead);
        if let Some((_, _, segment)) = known {
            return Some(*segment);
        }
        if self.leaves.len() + lead.len() > self.room || self.parents.len() >= SEGMENTS {
            return None;
        }
        let segment = self.open(parent);
        let at = self.text(segment, self.end(parent), lead);
        self.ends.push(at);
        self.leads.push((parent, lead.to_vec(), segment));
        Some(segment)
    }

    /// Adds a branch behind a segment: a question and, when it is text, its answer. `targets` belong
    /// to the last token of the question and to each token of the answer but the last. Says whether
    /// there was room.
    pub fn branch(&mut self, parent: i16, question: &[i32], answer: &[i32], targets: &[Target]) -> bool {
        let length = question.len() + answer.len();
        if self.leaves.len() + length > self.room || self.parents.len() >= SEGMENTS {
            return false;
        }
        let segment = self.open(parent);
        let at = self.text(segment, self.end(parent), question);
        let at = self.text(segment, at, answer);
        self.ends.push(at);
        let first = self.leaves.len() - answer.len() - 1;
        for (leaf, target) in self.leaves[first..].iter_mut().zip(targets) {
            leaf.target = *target;
        }
        true
    }

    fn open(&mut self, parent: i16) -> i16 {
        self.parents.push(parent);
        i16::try_from(self.parents.len()).unwrap_or(i16::MAX) - 1
    }

    fn end(&self, segment: i16) -> i32 {
        usize::try_from(segment + 1)
            .ok()
            .and_then(|i| self.ends.get(i))
            .copied()
            .unwrap_or(0)
    }

    fn text(&mut self, segment: i16, mut at: i32, ids: &[i32]) -> i32 {
        for &id in ids {
            self.push(u16::try_from(id).unwrap_or(0), segment, [at; 3]);
            at += 1;
        }
        at
    }

    fn push(&mut self, token: u16, segment: i16, position: [i32; 3]) {
        self.leaves.push(Leaf {
            token,
            segment,
            position,
            target: Target::default(),
        });
    }
}
