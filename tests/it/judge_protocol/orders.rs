//! Both image orders are evaluated, and both count.

use std::sync::Arc;

use imaging::{Picture, TokenBudget, fit};
use judge::engine::KeyedPixels;
use judge::engine::Pixels;
use judge::engine::{Answer, Ask, Branch, PixelKey};
use judge::protocol::{self, AxisValue, Before, Evidence, Order};
use judge::rubric::Rubric;
use judge::score::{self, Reading};
use llama::worker::Worker;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::judge_protocol::bench::{
    DENSE, IMAGE_TOKENS, LIMIT, MMPROJ, Record, blue, compare, config, gguf, judge, red, small_rubric,
};

/// Asks the judge process without the judge, so that what the judge does can be checked.
struct Alone {
    worker: Worker,
    rubric: Rubric,
    reference: KeyedPixels,
    other: KeyedPixels,
}

fn keyed(name: &str, picture: &Picture) -> KeyedPixels {
    let fitted = fit(picture, TokenBudget::new(IMAGE_TOKENS).unwrap()).unwrap();
    KeyedPixels {
        key: PixelKey(name.into()),
        pixels: Arc::new(Pixels {
            width: fitted.width,
            height: fitted.height,
            rgb: fitted.rgb,
        }),
    }
}

impl Alone {
    async fn ask(&self, images: &[&KeyedPixels], branches: Vec<Branch>) -> Vec<Answer> {
        let ask = Ask {
            system: protocol::system(&self.rubric),
            base: self.reference.key.clone(),
            images: images.iter().map(|p| p.key.clone()).collect(),
            lasting: vec![],
            branches,
            layout: protocol::layout(&self.rubric, IMAGE_TOKENS),
        };
        let pictures = vec![self.reference.clone(), self.other.clone()];
        let answers = timeout(LIMIT, self.worker.ask(ask, pictures, &CancellationToken::new())).await;
        answers.expect("answers within the limit").unwrap().answers
    }

    async fn values(&self, picture: &KeyedPixels) -> Vec<AxisValue> {
        let answers = self.ask(&[picture], protocol::value_branches(&self.rubric)).await;
        let pair = |pair: (&Answer, &Answer)| match pair {
            (Answer::YesNo { yes, no }, Answer::Text { text, .. }) => AxisValue {
                visible: yes / (yes + no),
                value: text.clone(),
            },
            other => panic!("{other:?}"),
        };
        let (visible, values) = answers.split_at(answers.len() / 2);
        visible.iter().zip(values).map(pair).collect()
    }

    async fn digits(&self, order: Order, before: &Before<'_>) -> Vec<[f64; 10]> {
        let images = match order {
            Order::ReferenceFirst => [&self.reference, &self.other],
            Order::ReferenceSecond => [&self.other, &self.reference],
        };
        let answers = self
            .ask(&images, protocol::score_branches(&self.rubric, order, before))
            .await;
        let digits = |answer: Answer| match answer {
            Answer::Digits { log_probs } => log_probs,
            other => panic!("{other:?}"),
        };
        answers.into_iter().map(digits).collect()
    }
}

#[tokio::test]
async fn a_reading_is_both_orders_together_and_neither_alone() {
    for evidence in [Evidence::None, Evidence::Values] {
        let alone = Alone {
            worker: Worker::new(config(gguf(DENSE), gguf(MMPROJ), IMAGE_TOKENS)),
            rubric: small_rubric(),
            reference: keyed("reference", &red()),
            other: keyed("other", &blue()),
        };
        let (reference, other) = (alone.values(&alone.reference).await, alone.values(&alone.other).await);
        let before = match evidence {
            Evidence::Values => Before::Values(&reference, &other),
            _ => Before::Nothing,
        };
        let first = alone.digits(Order::ReferenceFirst, &before).await;
        let second = alone.digits(Order::ReferenceSecond, &before).await;

        let judge = judge(evidence, &Record::new());
        let verdict = compare(&judge, &alone.rubric, &red(), &blue()).await.unwrap();
        for (i, axis) in alone.rubric.axes.iter().enumerate() {
            let got = verdict.axes.iter().find(|a| a.id == axis.id.as_str()).unwrap();
            let both = score::read([&first[i], &second[i]]);
            assert!(!both.refused());
            let numbers = |reading: &Reading| (Some(reading.raw), reading.position_bias, reading.std);
            assert_eq!(
                (got.raw, got.position_bias, got.std),
                numbers(&both),
                "{evidence:?} {}",
                axis.id
            );
            for one in [&first[i], &second[i]] {
                assert_ne!(got.raw, Some(score::read([one, one]).raw), "{evidence:?} {}", axis.id);
            }
            assert!(both.position_bias > 0.0, "the fixture tells the orders apart");
        }
    }
}
