use serde_json::json;

use super::data::{Piece, difference};
use super::shown;
use text::secrets::Secrets;

#[test]
fn texts_are_cleaned_and_masked_and_pictures_stay() {
    let picture = "data:image/jpeg;base64,AIza0123456789abcdefABCD";
    let mut data =
        json!({"src": picture, "note": "\u{202e}it is: open sesame", "axes": {"src": {"gen": "a\u{7}b"}}, "n": 0.1});
    shown(&mut data, &Secrets::of(&json!({"api_key": "open sesame"})));
    assert_eq!(
        data,
        json!({"src": picture, "note": "\\u{202e}it is: [masked]", "axes": {"src": {"gen": "a\\u{7}b"}}, "n": 0.1})
    );
}

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
