//! Pictures and rubrics at the ends of what is allowed.

use std::io::Cursor;

use imaging::{Limits, Picture, PictureFlag, decode};
use judge::cache::{Kind, Remembered, ScaleOf};
use judge::protocol::Evidence;
use judge::rubric::{MAX_AXES, MAX_DEFINITION, Rubric};
use judge::score::Scale;
use judge::verdict::Flag;
use judge::{Judge, SelfCheck};
use tokio_util::sync::CancellationToken;

use crate::judge_protocol::bench::{Record, blue, compare, file, judge, red, rubric, small_rubric, squares};

#[tokio::test]
async fn pictures_of_any_shape_are_judged_and_a_mismatch_is_flagged() {
    let rubric = small_rubric();
    let judge = judge(Evidence::Values, &Record::new());
    let colours = [[200, 30, 30], [20, 40, 220]];
    let square = squares(256, 256, 32, colours);
    for (other, mismatch) in [
        (squares(512, 512, 64, colours), false),
        (squares(256, 128, 32, colours), true),
        (squares(5000, 1, 7, colours), true),
        (squares(1, 5000, 7, colours), true),
        (squares(1, 1, 1, colours), false),
    ] {
        let shape = (other.width(), other.height());
        let one = compare(&judge, &rubric, &square, &other).await.unwrap();
        let swapped = compare(&judge, &rubric, &other, &square).await.unwrap();
        for verdict in [one, swapped] {
            assert_eq!(verdict.flags.contains(&Flag::ShapeMismatch), mismatch, "{shape:?}");
            assert!(
                verdict
                    .axes
                    .iter()
                    .all(|a| a.position_bias.is_finite() && a.std.is_finite()),
                "{shape:?}"
            );
        }
    }
}

fn half_transparent() -> Picture {
    let mut png = Cursor::new(Vec::new());
    image::RgbaImage::from_fn(64, 64, |x, _| image::Rgba([10, 200, 90, if x < 32 { 255 } else { 60 }]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    decode(png.get_ref(), &Limits::default()).unwrap()
}

#[tokio::test]
async fn what_decoding_changed_is_flagged_on_its_side() {
    let rubric = small_rubric();
    let judge = judge(Evidence::Values, &Record::new());
    let (animated, alpha) = (file("tests/fixtures/pictures/animated.gif"), half_transparent());
    let verdict = compare(&judge, &rubric, &animated, &alpha).await.unwrap();
    assert!(
        verdict.flags.contains(&Flag::Reference(PictureFlag::Animated)),
        "{:?}",
        verdict.flags
    );
    assert!(
        verdict.flags.contains(&Flag::Generated(PictureFlag::AlphaOnWhite)),
        "{:?}",
        verdict.flags
    );
    let verdict = compare(&judge, &rubric, &alpha, &animated).await.unwrap();
    assert!(
        verdict.flags.contains(&Flag::Reference(PictureFlag::AlphaOnWhite)),
        "{:?}",
        verdict.flags
    );
    assert!(
        verdict.flags.contains(&Flag::Generated(PictureFlag::Animated)),
        "{:?}",
        verdict.flags
    );
}

/// `count` axes whose names and definitions are as long as they may be.
fn longest(count: usize, definition: &str) -> Rubric {
    let definition: String = definition.chars().cycle().take(MAX_DEFINITION).collect();
    let mut text = String::from("id = \"long\"\ntitle = \"Long\"\n");
    for i in 0..count {
        let id = format!(
            "{}_{i}",
            "lighting_and_colour_of_the_background_and_more".split_at(37).0
        );
        text.push_str(&format!(
            "[[axis]]\nid = \"{id}\"\ndefinition = \"{}\"\n",
            definition.trim()
        ));
    }
    rubric(&text)
}

/// A judge that need not check itself or measure a scale: the questions are what is tested.
async fn ready(rubric: &Rubric) -> (Judge, std::sync::Arc<Record>) {
    let memory = Record::new();
    let judge = judge(Evidence::Values, &memory);
    let judged_by = judge.identity(rubric, &CancellationToken::new()).await.unwrap().hash();
    let check = SelfCheck {
        identical: 0.5,
        unrelated: 0.5,
        grey: 0.5,
        passed: false,
    };
    let scale = vec![
        Scale {
            ceiling: 1.0,
            floor: 0.0
        };
        rubric.axes.len()
    ];
    let scale_of_red = Kind::Scale(ScaleOf::Picture(red().hash()));
    for (kind, value) in [
        (Kind::SelfCheck, serde_json::to_value(check).unwrap()),
        (scale_of_red, serde_json::to_value(&scale).unwrap()),
    ] {
        let key = judge::cache::MemoryKey {
            kind,
            judge: judged_by.clone(),
            rubric: rubric.hash(),
        };
        memory.put(key, Remembered { value, edited: false });
    }
    (judge, memory)
}

#[tokio::test]
async fn one_axis_and_the_most_axes_are_judged() {
    let one = rubric("id = \"one\"\ntitle = \"One\"\n[[axis]]\nid = \"a\"\ndefinition = \"b\"\n");
    let most = longest(
        MAX_AXES,
        "the direction, softness and colour of the light, the time of day, and what it falls on; ",
    );
    for rubric in [one, most] {
        let (judge, memory) = ready(&rubric).await;
        let verdict = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
        assert_eq!(verdict.axes.len(), rubric.axes.len());
        assert_eq!(memory.take_stored(), [Kind::ReferenceValues(red().hash())]);
    }
}

#[tokio::test]
async fn definitions_in_any_script_fit_into_what_was_planned() {
    // The bundled vocabulary has no word of these: a token a byte, the worst there is.
    for definition in [
        "光の方向と柔らかさ、背景の色",
        "цвет и направление света ",
        "🎨🌄✨",
        "1234567890",
        "a;b,c.d:",
    ] {
        let rubric = longest(4, definition);
        let (judge, _) = ready(&rubric).await;
        let verdict = compare(&judge, &rubric, &red(), &blue()).await;
        assert_eq!(
            verdict.map(|v| v.axes.len()).map_err(|e| e.to_string()),
            Ok(4),
            "{definition}"
        );
    }
}
