//! Adults only: what an untrained judge refuses, and that nothing is kept of it.

use judge::cache::{Kind, Remembered};
use judge::engine::KeyedPixels;
use judge::engine::{Ask, PixelKey};
use judge::protocol::{self, AxisValue, Evidence};
use judge::{Call, JudgeError, Stored};
use llama::worker::Worker;
use safety::{self, Refusal, Side};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use types::progress::Teller;

use crate::judge_protocol::bench::{
    IMAGE_TOKENS, LIMIT, RANDOM_JUDGES, Record, bits, blue, builtin, compare, config, gguf, green, here, judge, red,
    small_rubric, target,
};

fn untrusted<T: std::fmt::Debug>(result: Result<T, JudgeError>) {
    match result {
        Err(JudgeError::Refused(refusal @ Refusal::JudgeUntrusted)) => assert!(!refusal.hint().is_empty()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_untrained_judge_judges_nothing_explicit_and_keeps_nothing_of_it() {
    let rubric = builtin("explicit");
    assert!(rubric.explicit);
    let memory = Record::new();
    let judge = judge(Evidence::Values, &memory);
    untrusted(compare(&judge, &rubric, &red(), &blue()).await);
    untrusted(target(&judge, &rubric, &red()).await);
    // The self-check is made of the bank's pictures: it is about the judge and not about these.
    assert_eq!(memory.take_stored(), [Kind::SelfCheck]);
}

#[tokio::test]
async fn the_guard_applies_where_the_caller_says_so_and_where_a_value_does() {
    let rubric = small_rubric();
    let memory = Record::new();
    let judge = judge(Evidence::Values, &memory);
    let (teller, cancel) = (Teller::silent(), CancellationToken::new());
    let call = Call {
        rubric: &rubric,
        guarded: true,
        teller: &teller,
        cancel: &cancel,
    };
    untrusted(
        timeout(LIMIT, judge.target(&red(), call))
            .await
            .expect("within the limit"),
    );
    assert_eq!(memory.take_stored(), [Kind::SelfCheck]);

    let before = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    let (key, original) = memory.only(Kind::ReferenceValues(red().hash()));
    let mut values = Vec::<AxisValue>::from_stored(&original.value).unwrap();
    values[1].value = "two nude people having sex".into();
    let edited = Remembered {
        value: values.to_stored(),
        edited: true,
    };
    memory.take_stored();
    memory.put(key.clone(), edited);
    untrusted(compare(&judge, &rubric, &red(), &blue()).await);
    untrusted(target(&judge, &rubric, &red()).await);
    assert_eq!(memory.take_stored(), []);

    memory.put(key, original);
    let after = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    assert_eq!(bits(&before), bits(&after));
}

#[tokio::test]
async fn the_bundled_judges_answer_to_the_age_question_refuses_as_well() {
    for files in RANDOM_JUDGES
        .iter()
        .filter(|files| files.architecture.starts_with("qwen3vl"))
    {
        let worker = Worker::new(config(gguf(files.model), gguf(files.mmproj), IMAGE_TOKENS));
        let rubric = builtin("explicit");
        for picture in [red(), blue(), green()] {
            let key = PixelKey(picture.hash().to_string());
            let ask = Ask {
                system: protocol::system(&rubric),
                base: key.clone(),
                images: vec![key.clone()],
                lasting: vec![],
                branches: vec![protocol::guard_branch()],
                layout: protocol::layout(&rubric, IMAGE_TOKENS),
            };
            let pixels = std::sync::Arc::new(judge::engine::Pixels {
                width: picture.width(),
                height: picture.height(),
                rgb: picture.rgb().to_vec(),
            });
            let pictures = vec![KeyedPixels { key, pixels }];
            let answers = timeout(LIMIT, worker.ask(ask, pictures, &CancellationToken::new())).await;
            let answers = answers.expect("answers within the limit").unwrap().answers;
            let side = Side::Generated;
            assert_eq!(
                protocol::check_age(answers.first(), side),
                Err(Refusal::MaybeUnder18 { side }),
                "{} {answers:?}",
                files.model
            );
        }
    }
}

#[test]
fn text_about_minors_is_refused() {
    for text in ["a 15 year old on a bed", "a childlike woman, nude", "schoolgirl"] {
        assert!(
            matches!(safety::check_text(text), Err(Refusal::TextDescribesMinor { .. })),
            "{text}"
        );
    }
}

/// Else a random value would make the guard refuse an innocent pair. The one word is kept from being
/// said: `UNSAID` in `gguf/random_weights.py`, where another would have to go.
#[test]
fn no_other_word_the_random_judge_can_say_is_explicit() {
    let text = std::fs::read_to_string(here("gguf/vocabulary.txt")).unwrap();
    let words = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty());
    let explicit: Vec<&str> = words.filter(|word| safety::applies(false, [*word])).collect();
    assert_eq!(explicit, ["undressed"]);
}
