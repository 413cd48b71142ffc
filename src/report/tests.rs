use super::data::{Piece, difference};

#[test]
fn prompts_differ_word_by_word() {
    let pieces = difference("a red ball, left", "a red star, left");
    let text = |marks: &str| -> String {
        pieces
            .iter()
            .filter(|Piece(mark, _)| marks.contains(mark))
            .map(|Piece(_, text)| text.as_str())
            .collect()
    };
    assert_eq!(text("=-"), "a red ball, left");
    assert_eq!(text("=+"), "a red star, left");
    assert_eq!(pieces.iter().map(|Piece(mark, _)| *mark).collect::<String>(), "=-+=");
    assert_eq!(difference("same", "same"), [Piece("=", "same".into())]);
}
