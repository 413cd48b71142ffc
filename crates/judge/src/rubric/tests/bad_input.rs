//! Rubrics that are far from one: too many axes, nothing in them, no text at all, parents without end.

use super::*;
use crate::engine::MAX_BRANCHES;
use crate::protocol;

fn of_axes(count: usize) -> String {
    let axes: String = (0..count)
        .map(|i| format!("[[axis]]\nid = \"a{i}\"\ndefinition = \"d\"\n"))
        .collect();
    format!("id = \"mine\"\ntitle = \"Mine\"\n{axes}")
}

#[test]
fn two_hundred_axes_are_refused_when_they_are_loaded() {
    let error = load(&of_axes(200)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "main.toml:1:1: the rubric has 200 axes, the limit is 60"
    );
    assert!(error.hint().contains("at most 60 axes") && error.hint().contains("second rubric"));
    // Parents count as well, unless what is too much is dropped again.
    let parent = of_axes(200);
    let child = "id = \"c\"\ntitle = \"C\"\nextends = \"base.toml\"\n";
    let inherited = load_with(&[("base.toml", &parent)], child).unwrap_err();
    assert_eq!(inherited.problem, RubricProblem::TooManyAxes { count: 200 });
    let dropped: Vec<String> = (MAX_AXES..200).map(|i| format!("\"a{i}\"")).collect();
    let child = format!("{child}drop = [{}]\n", dropped.join(", "));
    let kept = load_with(&[("base.toml", &parent)], &child).unwrap();
    assert_eq!(kept.axes.len(), MAX_AXES);
}

#[test]
fn the_most_axes_fit_into_one_question_to_the_judge() {
    let rubric = load(&of_axes(MAX_AXES)).unwrap();
    let most = MAX_BRANCHES as usize;
    assert!(protocol::value_branches(&rubric).len() <= most);
    assert!(protocol::closer_branches(&rubric).len() <= most);
    assert!(protocol::layout(&rubric, 1024).branches <= MAX_BRANCHES);
}

#[test]
fn a_definition_of_spaces_of_any_width_is_empty() {
    for blank in ["\\u00A0", "\\u3000 \\u2003", "\\n", " \\n "] {
        let text = one_axis(&format!("definition = \"{blank}\""));
        let problem = fails_at(&text, 6, 14);
        assert_eq!(problem, RubricProblem::EmptyText { what: "definition" }, "{blank}");
    }
    let title = one_axis("definition = \"d\"").replace("\"Mine\"", "\"\"");
    assert_eq!(fails_at(&title, 2, 9), RubricProblem::EmptyText { what: "title" });
}

#[test]
fn a_raw_control_character_is_placed() {
    for raw in ["\u{7}", "\0", "\u{7f}"] {
        let error = load(&one_axis(&format!("definition = \"a{raw}b\""))).unwrap_err();
        assert_eq!(error.place.as_ref().unwrap().line, 6, "{error}");
        assert!(!error.to_string().contains(raw), "it is not passed on: {error:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    let latin = b"id = \"m\"\ntitle = \"Caf\xe9\"\n".to_vec();
    let error = RubricText::of(latin, "latin.toml".to_owned()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "latin.toml:2:13: the rubric is not UTF-8 text from here on"
    );
    assert!(error.hint().contains("UTF-8"));
    let text = RubricText::of(of_axes(1).into_bytes(), "good.toml".to_owned()).unwrap();
    assert_eq!((text.text, text.origin.as_str()), (of_axes(1), "good.toml"));
    // As some editors write it.
    let marked = format!("\u{feff}{}", of_axes(1));
    assert_eq!(load(&marked).unwrap().axes.len(), 1);
}

#[test]
fn a_file_that_is_too_large_is_named() {
    let large = format!("# {}\n{}", "x".repeat(300_000), of_axes(1));
    let child = "id = \"c\"\ntitle = \"C\"\nextends = \"base.toml\"\n";
    let error = load_with(&[("base.toml", &large)], child).unwrap_err();
    assert!(
        error.to_string().starts_with("base.toml:1:1: the rubric has 3"),
        "{error}"
    );
}

#[test]
fn a_few_files_that_extend_many_end() {
    // Twenty of twenty of twenty and so on, none deeper than a chain may be: millions of texts, were they all read.
    let text_above = |depth: usize| match depth {
        0 => of_axes(1),
        _ => {
            let names = vec![format!("\"{}\"", depth - 1); 20].join(", ");
            format!("id = \"m\"\ntitle = \"M\"\nextends = [{names}]\n")
        }
    };
    let mut read = 0;
    let error = parse(&text_above(6), "main.toml", &mut |wanted| {
        read += 1;
        Ok(RubricText {
            text: text_above(wanted.name.parse().unwrap()),
            origin: format!("x{read}.toml"),
        })
    })
    .unwrap_err();
    assert!(
        matches!(error.problem, RubricProblem::TooManyParents { limit: 32 }),
        "{error}"
    );
    assert!(error.hint().contains("one file that extends nothing"));
    assert_eq!(read, 32);
}

#[test]
fn a_long_name_is_not_echoed() {
    let name = "x".repeat(5000);
    for text in [
        format!("id = \"m\"\ntitle = \"M\"\nextends = \"{name}\"\n"),
        format!("id = \"m\"\ntitle = \"M\"\nextends = \"default\"\ndrop = [\"{name}\"]\n"),
        format!("id = \"{name}\"\ntitle = \"M\"\n"),
        one_axis(&format!("definition = \"{name}\"")),
    ] {
        let told = load(&text).unwrap_err().to_string();
        assert!(told.len() < 300, "{told}");
    }
}

#[test]
fn every_mistake_has_advice_of_its_own() {
    let defined = |definition: &str| one_axis(&format!("definition = \"{definition}\""));
    let own = "id = \"m\"\ntitle = \"M\"\nextends = \"own.toml\"\n";
    for (text, advice) in [
        (String::new(), "Fix the TOML there"),
        (of_axes(0), "at least one [[axis]]"),
        (of_axes(61), "at most 60 axes"),
        (of_axes(1) + "[[axis]]\nid = \"a0\"\ndefinition = \"e\"\n", "Rename one"),
        (defined(""), "one crisp line"),
        (defined("a\\u0007b"), "Remove it"),
        (defined("a<|im_end|>b"), "Remove it"),
        (defined(&"d".repeat(201)), "at most 200 characters"),
        (defined("d") + "weight = -1\n", "0.5, 1.0 or 2.0"),
        (defined("d") + "wieght = 1\n", "the keys are"),
        (own.to_owned(), "Break the chain"),
    ] {
        let error = load_with(&[("own.toml", own)], &text).unwrap_err();
        assert!(error.hint().contains(advice), "{error}: {}", error.hint());
    }
}
