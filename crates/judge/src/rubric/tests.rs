mod bad_input;

use std::collections::HashMap;

use super::*;

/// Loads a text whose parents come from a table of named texts.
fn load_with(files: &[(&str, &str)], text: &str) -> Result<Rubric, RubricError> {
    let files: HashMap<_, _> = files.iter().copied().collect();
    parse(text, "main.toml", &mut |wanted| match files.get(wanted.name) {
        Some(text) => Ok(RubricText {
            text: (*text).to_owned(),
            origin: wanted.name.to_owned(),
        }),
        None => Err(RubricError::without_place(RubricProblem::UnknownParent {
            name: wanted.name.to_owned(),
            reason: "no such file".to_owned(),
        })),
    })
}

fn load(text: &str) -> Result<Rubric, RubricError> {
    load_with(&[], text)
}

fn builtin_rubric(name: &str) -> Rubric {
    Rubric::load(RubricSource::Builtin(name), &mut |_| {
        panic!("built-ins need no resolver")
    })
    .unwrap()
}

/// A rubric of one axis with these extra lines.
fn one_axis(lines: &str) -> String {
    format!("id = \"mine\"\ntitle = \"Mine\"\n\n[[axis]]\nid = \"label\"\n{lines}\n")
}

#[track_caller]
fn fails_at(text: &str, line: usize, column: usize) -> RubricProblem {
    let error = load(text).unwrap_err();
    let place = error.place.clone().unwrap();
    assert_eq!((place.line, place.column), (line, column), "{error}");
    assert!(
        error.to_string().starts_with(&format!("main.toml:{line}:{column}: ")),
        "{error}"
    );
    assert!(!error.hint().is_empty());
    error.problem
}

#[test]
fn the_default_rubric_serves_any_picture() {
    let rubric = builtin_rubric("default");
    assert!(!rubric.explicit);
    assert!((18..=24).contains(&rubric.axes.len()), "{}", rubric.axes.len());
    for id in [
        "subject_count",
        "position",
        "body_contact",
        "clothing_state",
        "scene",
        "framing",
        "lighting_color",
    ] {
        assert!(rubric.axis(id).is_some(), "{id}");
    }
    let groups: Vec<_> = rubric.groups().into_iter().map(Group::as_str).collect();
    assert_eq!(groups, BUILTIN_GROUPS);
    for axis in &rubric.axes {
        assert!(axis.definition.len() <= 110, "{} is long for a prompt", axis.id);
    }
}

#[test]
fn the_explicit_rubric_adds_its_axes_and_the_flag() {
    let (default, explicit) = (builtin_rubric("default"), builtin_rubric("explicit"));
    assert!(explicit.explicit);
    assert_eq!(explicit.axes[..default.axes.len()], default.axes);
    let added: Vec<_> = explicit.axes[default.axes.len()..]
        .iter()
        .map(|a| a.id.as_str())
        .collect();
    assert_eq!(added, ["sexual_act", "penetration", "explicitness"]);
    assert!(explicit.axes.iter().all(|axis| axis.definition.len() <= 110));
}

#[test]
fn an_unknown_builtin_is_refused() {
    let error = Rubric::load(RubricSource::Builtin("other"), &mut |_| panic!("not asked")).unwrap_err();
    assert!(matches!(error.problem, RubricProblem::UnknownParent { .. }));
    assert_eq!(
        error.to_string(),
        "there is no rubric \"other\": the built-in rubrics are default, explicit, scenes"
    );
}

#[test]
fn a_minimal_rubric_has_defaults() {
    let rubric = load(&one_axis("definition = \"  words on the label \"")).unwrap();
    assert_eq!(
        (rubric.id.as_str(), rubric.title.as_str(), rubric.description.as_str()),
        ("mine", "Mine", "")
    );
    let axis = &rubric.axes[0];
    assert_eq!(
        (axis.definition.as_str(), axis.weight, &axis.group),
        ("words on the label", 1.0, &None)
    );
}

#[test]
fn children_override_drop_and_append() {
    let text = "id = \"mine\"\ntitle = \"Mine\"\nextends = \"default\"\ndrop = [\"hair\", \"mood\"]\n\
        [[axis]]\nid = \"scene\"\nweight = 3\n\
        [[axis]]\nid = \"style\"\ndefinition = \"brush work\"\ngroup = \"paint\"\n\
        [[axis]]\nid = \"frame\"\ndefinition = \"the picture frame\"\n";
    let (rubric, default) = (load(text).unwrap(), builtin_rubric("default"));
    assert_eq!(rubric.axes.len(), default.axes.len() - 2 + 1);
    assert!(rubric.axis("hair").is_none() && rubric.axis("mood").is_none());
    let scene = rubric.axis("scene").unwrap();
    assert_eq!(
        (scene.weight, &scene.definition),
        (3.0, &default.axis("scene").unwrap().definition)
    );
    let style = rubric.axis("style").unwrap();
    assert_eq!(
        (style.definition.as_str(), style.group.as_ref().unwrap().as_str()),
        ("brush work", "paint")
    );
    assert_eq!(style.weight, default.axis("style").unwrap().weight);
    assert_eq!(rubric.axes.last().unwrap().id.as_str(), "frame");
}

#[test]
fn later_parents_win_and_files_may_be_extended() {
    let parent = |weight: &str| one_axis(&format!("definition = \"d\"\nweight = {weight}"));
    let (first, second) = (parent("1.5"), parent("2.5"));
    let files = [("a.toml", first.as_str()), ("b.toml", second.as_str())];
    let child = "id = \"c\"\ntitle = \"C\"\nextends = [\"a.toml\", \"b.toml\"]\n";
    let rubric = load_with(&files, child).unwrap();
    assert_eq!((rubric.axes.len(), rubric.axes[0].weight), (1, 2.5));
    // The same parent on two ways is no loop.
    let diamond = "id = \"d\"\ntitle = \"D\"\nextends = [\"default\", \"explicit\"]\n";
    assert_eq!(load(diamond).unwrap().axes, builtin_rubric("explicit").axes);
}

#[test]
fn the_resolver_hears_who_asks() {
    let mut asked = Vec::new();
    let text = "id = \"c\"\ntitle = \"C\"\nextends = \"../base.toml\"\n";
    let rubric = parse(text, "rubrics/c.toml", &mut |wanted| {
        asked.push((wanted.name.to_owned(), wanted.from.to_owned()));
        Ok(RubricText {
            text: one_axis("definition = \"d\""),
            origin: "base.toml".to_owned(),
        })
    });
    assert!(rubric.is_ok());
    assert_eq!(asked, [("../base.toml".to_owned(), "rubrics/c.toml".to_owned())]);
}

#[test]
fn structural_mistakes_are_placed() {
    let head = "id = \"mine\"\ntitle = \"Mine\"\n";
    assert_eq!(fails_at(head, 1, 1), RubricProblem::NoAxes);
    assert!(matches!(fails_at("id = \n", 1, 6), RubricProblem::Syntax(_)));
    let unknown = fails_at(&one_axis("definition = \"d\"\nwieght = 2.0"), 7, 1);
    assert!(
        matches!(&unknown, RubricProblem::Syntax(text) if text.contains("wieght")),
        "{unknown}"
    );
    let twice = one_axis("definition = \"d\"\n[[axis]]\nid = \"label\"\ndefinition = \"e\"");
    assert_eq!(
        fails_at(&twice, 8, 6),
        RubricProblem::DuplicateAxis { id: "label".into() }
    );
    assert_eq!(
        fails_at(&one_axis(""), 5, 6),
        RubricProblem::NoDefinition { id: "label".into() }
    );
    let many: String = (0..61)
        .map(|i| format!("[[axis]]\nid = \"a{i}\"\ndefinition = \"d\"\n"))
        .collect();
    assert_eq!(
        fails_at(&format!("{head}{many}"), 1, 1),
        RubricProblem::TooManyAxes { count: 61 }
    );
    let dropped = format!("{head}extends = \"default\"\ndrop = [\"scene\", \"sceen\"]\n");
    assert_eq!(
        fails_at(&dropped, 4, 18),
        RubricProblem::UnknownDrop { id: "sceen".into() }
    );
    let large = format!("{}# {}", one_axis("definition = \"d\""), "x".repeat(300_000));
    assert!(matches!(
        load(&large).unwrap_err().problem,
        RubricProblem::TooLarge { .. }
    ));
}

#[test]
fn sixty_axes_are_allowed() {
    let many: String = (0..60)
        .map(|i| format!("[[axis]]\nid = \"a{i}\"\ndefinition = \"d\"\n"))
        .collect();
    assert_eq!(
        load(&format!("id = \"m\"\ntitle = \"M\"\n{many}")).unwrap().axes.len(),
        60
    );
}

#[test]
fn ids_are_snake_case() {
    for id in [
        "Label",
        "la-bel",
        "1label",
        "_label",
        "la__bel",
        "label_",
        "lábel",
        "",
        "a b",
        &"x".repeat(41),
    ] {
        let text = one_axis("definition = \"d\"").replace("\"label\"", &format!("\"{id}\""));
        assert!(matches!(fails_at(&text, 5, 6), RubricProblem::BadId(_)), "{id}");
        assert!(AxisId::new(id).is_err());
    }
    let group = one_axis("definition = \"d\"\ngroup = \"My Group\"");
    assert!(matches!(fails_at(&group, 7, 9), RubricProblem::BadId(_)));
    assert!(AxisId::new("x".repeat(40)).is_ok());
}

#[test]
fn weights_are_positive_finite_and_bounded() {
    for weight in ["0", "0.0", "-1.0", "nan", "inf", "-inf", "100.5", "101"] {
        let problem = fails_at(&one_axis(&format!("definition = \"d\"\nweight = {weight}")), 7, 10);
        assert!(
            matches!(problem, RubricProblem::BadWeight { .. }),
            "{weight}: {problem}"
        );
    }
    for weight in ["100", "0.001", "1"] {
        assert!(
            load(&one_axis(&format!("definition = \"d\"\nweight = {weight}"))).is_ok(),
            "{weight}"
        );
    }
}

#[test]
fn definitions_are_one_short_visible_line() {
    let problem = |definition: &str| fails_at(&one_axis(&format!("definition = {definition}")), 6, 14);
    assert_eq!(problem("\"\""), RubricProblem::EmptyText { what: "definition" });
    assert_eq!(problem("\"   \""), RubricProblem::EmptyText { what: "definition" });
    for hidden in ["\\u0007", "\\n", "\\t", "\\u200B", "\\u202E", "\\U000E0041"] {
        let found = problem(&format!("\"a{hidden}b\""));
        assert!(
            matches!(found, RubricProblem::ControlCharacter { .. }),
            "{hidden}: {found}"
        );
    }
    let marker = problem("\"a<|im_end|>b\"");
    assert_eq!(
        marker,
        RubricProblem::TemplateMarker {
            what: "definition",
            marker: "<|"
        }
    );
    // Characters count, not bytes.
    assert!(load(&one_axis(&format!("definition = \"{}\"", "é".repeat(200)))).is_ok());
    let long = problem(&format!("\"{}\"", "é".repeat(201)));
    assert_eq!(
        long,
        RubricProblem::TooLong {
            what: "definition",
            chars: 201,
            limit: 200
        }
    );
}

#[test]
fn columns_count_characters() {
    let text = "id = \"m\"\ntitle = \"M\"\naxis = [{ definition = \"éé\", id = \"X\" }]\n";
    assert!(matches!(fails_at(text, 3, 35), RubricProblem::BadId(_)));
}

#[test]
fn loops_and_unknown_parents_are_found() {
    let extending = |name: &str| format!("id = \"m\"\ntitle = \"M\"\nextends = \"{name}\"\n");
    let (a, b) = (extending("b.toml"), extending("a.toml"));
    let error = load_with(&[("a.toml", &a), ("b.toml", &b)], &extending("a.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "b.toml:3:11: the rubric extends itself: main.toml -> a.toml -> b.toml -> a.toml"
    );
    let own = load_with(&[("main.toml", &extending("main.toml"))], &extending("main.toml")).unwrap_err();
    assert!(matches!(own.problem, RubricProblem::Loop { .. }));
    let unknown = load(&extending("gone.toml")).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "main.toml:3:11: there is no rubric \"gone.toml\": no such file"
    );
}

#[test]
fn endless_chains_end() {
    let mut depth = 0;
    let error = parse("id = \"m\"\ntitle = \"M\"\nextends = \"x\"\n", "main.toml", &mut |_| {
        depth += 1;
        let text = "id = \"m\"\ntitle = \"M\"\nextends = \"x\"\n".to_owned();
        Ok(RubricText {
            text,
            origin: format!("x{depth}.toml"),
        })
    });
    assert!(matches!(error.unwrap_err().problem, RubricProblem::TooDeep { .. }));
}

#[test]
fn errors_in_a_parent_name_the_parent() {
    let error = load_with(
        &[("base.toml", "id = \"B\"\ntitle = \"B\"\n")],
        "id = \"m\"\ntitle = \"M\"\nextends = \"base.toml\"\n",
    );
    assert!(error.unwrap_err().to_string().starts_with("base.toml:1:6: "));
}

#[test]
fn the_explicit_flag_cannot_be_avoided() {
    let named = load(&one_axis("definition = \"whether the man is naked\"")).unwrap();
    assert!(named.explicit, "an axis that names sexual content sets the flag");
    let stripped = "id = \"m\"\ntitle = \"M\"\nextends = \"explicit\"\n\
        drop = [\"sexual_act\", \"penetration\", \"explicitness\"]\n";
    assert!(load(stripped).unwrap().explicit, "dropping the axes keeps the flag");
    let denied = "id = \"m\"\ntitle = \"M\"\nextends = \"explicit\"\nexplicit = false\n";
    assert!(matches!(fails_at(denied, 4, 12), RubricProblem::NotExplicit { .. }));
    let plain = "id = \"m\"\ntitle = \"M\"\nextends = \"default\"\nexplicit = false\n";
    assert!(!load(plain).unwrap().explicit);
}

#[test]
fn an_explicit_rubric_cannot_describe_minors() {
    let axis = "\n[[axis]]\nid = \"label\"\ndefinition = \"how childlike she looks\"\n";
    let head = "id = \"m\"\ntitle = \"M\"\n";
    assert!(load(&format!("{head}{axis}")).is_ok());
    let problem = fails_at(&format!("{head}explicit = true{axis}"), 5, 6);
    assert_eq!(
        problem,
        RubricProblem::DescribesMinor {
            id: "label".into(),
            term: "childlike".into()
        }
    );
}

#[test]
fn the_hash_follows_what_is_asked() {
    let base = one_axis("definition = \"d\"\nweight = 2.0");
    let hash = |text: &str| load(text).unwrap().hash();
    assert_eq!(hash(&base), hash(&base.replace("Mine", "Other title")));
    assert_eq!(hash(&base), hash(&format!("# a comment\n{base}")));
    for changed in [
        base.replace("label", "labels"),
        base.replace("\"d\"", "\"e\""),
        base.replace("2.0", "2.5"),
        base.replace("weight", "group = \"g\"\nweight"),
        base.replace("title", "explicit = true\ntitle"),
    ] {
        assert_ne!(hash(&base), hash(&changed), "{changed}");
    }
    // Where one field ends and the next begins counts as well.
    let split = |id: &str, group: &str| hash(&base.replace("label\"", &format!("{id}\"\ngroup = \"{group}\"")));
    assert_ne!(split("ab", "c"), split("a", "bc"));
    // Scores that are kept are named by it.
    assert_eq!(
        hash(&base).to_string(),
        "e5516aa3f093fc15fa70679d89d17a7a485470e0b6d8e51372c92938bddb9d91"
    );
    assert_ne!(builtin_rubric("default").hash(), builtin_rubric("explicit").hash());
}

#[test]
fn ids_round_trip_through_json_checked() {
    let id: AxisId = serde_json::from_str("\"clothing_state\"").unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), "\"clothing_state\"");
    assert!(serde_json::from_str::<AxisId>("\"Clothing State\"").is_err());
}
