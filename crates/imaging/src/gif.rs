//! A walk over the blocks of a GIF, to see whether it moves: no frame is unpacked for that.
//!
//! Layout: GIF89a specification, sections 17 to 27.

/// Whether there is a second frame.
pub(super) fn moves(bytes: &[u8]) -> bool {
    frames(bytes).is_some_and(|frames| frames > 1)
}

/// How many frames there are, up to two; `None` where the blocks do not add up before that.
fn frames(bytes: &[u8]) -> Option<u32> {
    let mut at = 13 + table(*bytes.get(10)?);
    let mut frames = 0;
    while frames < 2 {
        match *bytes.get(at)? {
            // An extension: its label, and blocks.
            0x21 => at = after_blocks(bytes, at + 2)?,
            // A frame: where it lies, its colours, the width of its codes, and blocks.
            0x2c => {
                frames += 1;
                let colors = table(*bytes.get(at + 9)?);
                if frames < 2 {
                    at = after_blocks(bytes, at + 10 + colors + 1)?;
                }
            }
            _ => return Some(frames),
        }
    }
    Some(frames)
}

/// Bytes of the colour table that a packed field announces.
fn table(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// The place behind blocks that begin with their length; the last one is empty.
fn after_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}
