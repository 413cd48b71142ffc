//! What is in memory beside a question: it saves work and changes no answer.

use judge::engine::{Answer, Answers, Ask, Branch, Want};

use crate::judge_worker::setting::{RANDOM_JUDGES, answer, ask, digits, picture, worker_of};

/// How far two answers to the same question are apart, as probabilities; texts by their first word.
fn apart(x: &Answer, y: &Answer) -> f64 {
    match (x, y) {
        (Answer::Digits { log_probs: x }, Answer::Digits { log_probs: y }) => x
            .iter()
            .zip(y)
            .map(|(x, y)| (x.exp() - y.exp()).abs())
            .fold(0.0, f64::max),
        (Answer::YesNo { yes: x, .. }, Answer::YesNo { yes: y, .. }) => (x - y).abs(),
        (Answer::Text { text: x, .. }, Answer::Text { text: y, .. }) => {
            f64::from(u8::from(x.chars().next() != y.chars().next()))
        }
        other => panic!("{other:?}"),
    }
}

/// A recurrent state cannot be handed on in part: who tries hands on what came after it, the reference.
#[tokio::test]
async fn what_is_read_from_a_picture_does_not_depend_on_the_reference() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b, c) = (
            picture("a", [200, 30, 30]),
            picture("b", [20, 40, 220]),
            picture("c", [9, 90, 9]),
        );
        let all = [&a, &b, &c];
        let beside_a = answer(&worker, &ask(&a, &[&c]), &all).await.unwrap();
        let beside_b = answer(&worker, &ask(&b, &[&c]), &all).await.unwrap();
        // The references are equally long, so that cells lie alike and sums are the same to the last bit.
        assert_eq!(beside_a.answers, beside_b.answers, "{}", judge.architecture);
        let alone = answer(&worker, &ask(&c, &[&c]), &all).await.unwrap();
        for (n, (x, y)) in alone.answers.iter().zip(&beside_a.answers).enumerate() {
            let apart = apart(x, y);
            assert!(apart < 1e-2, "{} {n}: {apart}", judge.architecture);
        }
    }
}

/// A system prompt of several micro batches and more questions than a model with states asks at once, of all kinds.
fn long(base: &judge::engine::KeyedPixels, other: &judge::engine::KeyedPixels) -> Ask {
    let mut ask = ask(base, &[base, other]);
    ask.system = format!(
        "{}\n{}",
        ask.system,
        "framing and light, subject and place. ".repeat(150)
    );
    let wants = [
        Want::Digits,
        Want::YesNo,
        Want::Text { max_tokens: 6 },
        Want::Constrained {
            grammar: "root ::= [0-9] [a-z] [a-z]".into(),
            max_tokens: 8,
        },
    ];
    ask.branches = (0..40)
        .map(|n| Branch {
            lead: if n < 20 { "How alike are they on this?\n" } else { "" }.into(),
            text: format!("{} of the {}", ["colour", "size", "place", "light", "age"][n % 5], n),
            want: wants[n % wants.len()].clone(),
        })
        .collect();
    ask.layout.system_tokens = 2048;
    ask.layout.branches = 40;
    ask.layout.branch_tokens = 2048;
    ask
}

#[tokio::test]
async fn long_prompts_and_many_questions_are_answered_as_each_alone() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let wanted = long(&a, &b);
        let first = answer(&worker, &wanted, &[&a, &b]).await.unwrap();
        assert!(first.cost.prefill_tokens > 1024, "{:?}", first.cost);
        assert_eq!(first.answers.len(), 40);
        for n in [0, 1, 2, 15, 16, 17, 21, 38, 39] {
            let mut alone = wanted.clone();
            alone.branches = vec![wanted.branches[n].clone()];
            let alone: Answers = answer(&worker, &alone, &[&a, &b]).await.unwrap();
            let apart = apart(&alone.answers[0], &first.answers[n]);
            assert!(apart < 2e-2, "{} {n}: {apart}", judge.architecture);
        }
        let again = answer(&worker, &wanted, &[&a, &b]).await.unwrap();
        assert_eq!(first.answers, again.answers, "{}", judge.architecture);
        assert_eq!(again.cost.prefill_tokens, 0, "{}", judge.architecture);
    }
}

/// Another order of the pictures begins otherwise after the system prompt: that much is handed on, and no more.
#[tokio::test]
async fn both_orders_share_the_system_prompt_and_nothing_else() {
    for judge in &RANDOM_JUDGES {
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let worker = worker_of(judge);
        let one = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
        let other = answer(&worker, &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
        assert!(other.cost.reused_tokens > 0, "{:?}", other.cost);
        // In a fresh process only the other order is asked for.
        let fresh = answer(&worker_of(judge), &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
        assert_eq!(other.answers, fresh.answers, "{}", judge.architecture);
        assert_ne!(digits(&one), digits(&other), "{}", judge.architecture);
    }
}
