//! Prompts in free words become the scenes that they describe.

#![cfg(test)]

use scenes::{ATTRIBUTES, Attribute, Scene, rng};

/// What is said of an attribute by a scene that a prompt describes, whatever the seed.
fn always(prompt: &str, attribute: Attribute) -> Option<String> {
    let words: Vec<Option<String>> = (0..8)
        .map(|seed| Scene::described(prompt, seed).words(attribute))
        .collect();
    assert!(
        words.iter().all(|w| *w == words[0]),
        "{prompt}: {attribute:?} is {words:?}"
    );
    words[0].clone()
}

/// The prompt says this much, for every seed.
fn says(prompt: &str, expected: &[(Attribute, &str)]) {
    for (attribute, words) in expected {
        let found = always(prompt, *attribute).unwrap_or_else(|| "hidden".into());
        assert_eq!(found, *words, "{prompt}: {attribute:?}");
    }
}

#[test]
fn what_a_scene_says_of_itself_is_read_back() {
    let mut rng = rng(20);
    for seed in 0..500 {
        let scene = Scene::random_partly_hidden(&mut rng);
        let prompt = scene.describe();
        let again = Scene::described(&prompt, seed);
        for attribute in ATTRIBUTES {
            assert_eq!(
                again.words(attribute),
                scene.words(attribute),
                "{prompt}: {attribute:?}"
            );
        }
        let shouted = Scene::described(&prompt.to_uppercase(), seed);
        assert_eq!(shouted, again, "{prompt}");
    }
}

#[test]
fn the_order_of_the_clauses_says_nothing() {
    let mut rng = rng(21);
    for seed in 0..100 {
        let prompt = Scene::random_partly_hidden(&mut rng).describe();
        let turned: Vec<&str> = prompt.split(", ").collect();
        let turned: Vec<&str> = turned.into_iter().rev().collect();
        assert_eq!(
            Scene::described(&turned.join("; "), seed),
            Scene::described(&prompt, seed),
            "{prompt}"
        );
    }
}

#[test]
fn sentences_are_understood_as_lists_are() {
    use Attribute::*;
    says(
        "A Huge Red star with dots in the top-left, marked with a cross and lit from the bottom right.",
        &[
            (Subject, "star"),
            (Size, "huge"),
            (Colour, "red"),
            (Pattern, "dots"),
            (Position, "top left"),
            (Mark, "cross"),
            (Lighting, "from bottom right"),
        ],
    );
    says(
        "two small balls before a striped purple wall, a light green ring with no mark on the right",
        &[
            (Count, "two"),
            (Background, "purple"),
            (Texture, "lines"),
            (Colour, "green"),
            (Subject, "ring"),
            (Position, "right"),
            (Mark, "hidden"),
        ],
    );
    says(
        "blue heart on a plain yellow background, no balls, soft light from the upper left",
        &[
            (Colour, "blue"),
            (Background, "yellow"),
            (Texture, "smooth"),
            (Count, "hidden"),
            (Lighting, "from top left"),
        ],
    );
    says(
        "subject: moon, colour: teal, pattern: checks, size: tiny, position: middle, mark: bar, count: 4, \
         background: orange, lighting: from top, texture: grid",
        &[
            (Subject, "moon"),
            (Colour, "cyan"),
            (Pattern, "checks"),
            (Size, "small"),
            (Position, "middle"),
            (Mark, "bar"),
            (Count, "four"),
            (Background, "orange"),
            (Lighting, "from top"),
            (Texture, "grid"),
        ],
    );
    says(
        "a red square and a ball before a background in green with fine grain",
        &[
            (Subject, "square"),
            (Colour, "red"),
            (Count, "one"),
            (Background, "green"),
            (Texture, "grain"),
        ],
    );
    says(
        "red circle blue background",
        &[(Subject, "circle"), (Colour, "red"), (Background, "blue")],
    );
    says(
        "an empty stage, no figure, a pink backdrop",
        &[(Subject, "hidden"), (Background, "pink")],
    );
}

#[test]
fn what_is_not_said_follows_from_the_seed() {
    let prompt = "a red star";
    for attribute in ATTRIBUTES {
        let mut words: Vec<_> = (0..60)
            .map(|seed| Scene::described(prompt, seed).words(attribute))
            .collect();
        words.sort();
        words.dedup();
        let said = matches!(attribute, Attribute::Subject | Attribute::Colour);
        assert_eq!(words.len() == 1, said, "{attribute:?}: {words:?}");
    }
    assert_eq!(Scene::described(prompt, 5), Scene::described(prompt, 5));
    assert_ne!(Scene::described(prompt, 5), Scene::described(prompt, 6));
    // What is said varies as well, but a little.
    let of = |seed| {
        Scene::described(
            "a large red star at the top left, a blue background, light from the left",
            seed,
        )
    };
    for seed in 1..50 {
        for attribute in [
            Attribute::Colour,
            Attribute::Size,
            Attribute::Position,
            Attribute::Background,
            Attribute::Lighting,
        ] {
            let distance = of(0).distance(&of(seed), attribute);
            assert!(distance > 0.0 && distance < 0.13, "{attribute:?}: {distance}");
        }
    }
}

#[test]
fn one_more_word_changes_only_what_it_speaks_of() {
    let short = Scene::described("a red star, a blue background", 9);
    let long = Scene::described("a red star, a blue background, grid texture, light from the left", 9);
    for attribute in ATTRIBUTES {
        if !matches!(attribute, Attribute::Texture | Attribute::Lighting) {
            assert_eq!(short.distance(&long, attribute), 0.0, "{attribute:?}");
        }
    }
}

#[test]
fn words_without_a_meaning_here_are_passed_over() {
    for prompt in ["", "   ,,; ", "masterpiece, 8k, (sharp:1.2)", "ein grünes Haus 🎨"] {
        assert_eq!(
            Scene::described(prompt, 3),
            Scene::described("nothing known", 3),
            "{prompt}"
        );
    }
}

#[test]
fn a_loose_painter_follows_most_of_what_is_said_and_more_of_what_is_said_twice() {
    let (once, twice) = ("a red star", "a red star, the star is red, a red star");
    let off = |prompt: &str, adherence: f64| {
        let wrong = |seed: &u64| {
            let scene = Scene::loosely_described(prompt, *seed, adherence);
            scene.words(Attribute::Subject).as_deref() != Some("star")
        };
        (0..400).filter(wrong).count()
    };
    assert_eq!(off(once, 1.0), 0);
    let (sloppy, told_again) = (off(once, 0.8), off(twice, 0.8));
    assert!((50..110).contains(&sloppy), "{sloppy} of 400 seeds draw no star");
    assert!(told_again < sloppy / 2, "{told_again} of {sloppy}");
    // The same seed goes the same way, whatever else is said, while there is room.
    for seed in 0..50 {
        let alone = Scene::loosely_described(once, seed, 0.8).words(Attribute::Subject);
        let more = Scene::loosely_described("a red star, two balls, a blue background", seed, 0.8);
        assert_eq!(more.words(Attribute::Subject), alone, "{seed}");
    }
    let crowded = format!(
        "{once}{}",
        ", two balls, a blue background, light from the left, a smooth wall".repeat(4)
    );
    assert!(
        off(&crowded, 0.8) > sloppy,
        "a prompt that says everything again is followed less"
    );
}

#[test]
fn vague_words_mean_something_else_to_another_seed() {
    let colours: std::collections::BTreeSet<String> = (0..60)
        .filter_map(|seed| Scene::loosely_described("a warm star", seed, 1.0).words(Attribute::Colour))
        .collect();
    assert_eq!(
        colours.into_iter().collect::<Vec<_>>(),
        ["orange", "pink", "red", "yellow"]
    );
}
