//! What the process answers: every question, the same bits, whatever ran before.

use judge::engine::Answer;
use llama::error::LlamaError;
use llama::worker::{WorkerError, WorkerState};

use crate::judge_worker::setting::{RANDOM_JUDGES, answer, ask, dense, digits, picture, worker_of};

#[tokio::test]
async fn every_architecture_answers_every_branch_with_probabilities() {
    for judge in &RANDOM_JUDGES {
        let model = judge.model;
        let worker = worker_of(judge);
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let got = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.expect(model);
        assert_eq!(got.answers.len(), 4, "{model}");
        for row in digits(&got) {
            let mass: f64 = row.iter().map(|x| x.exp()).sum();
            assert!(mass > 0.0 && mass <= 1.0 + 1e-6, "{model}: {mass}");
        }
        assert!(matches!(&got.answers[2], Answer::YesNo { yes, no } if *yes > 0.0 && *no > 0.0));
        assert_eq!(got.cost.images_encoded, 2);
        eprintln!("{model}: {got:?}");
        let WorkerState::Ready { info, .. } = worker.state().borrow().clone() else {
            panic!("not ready")
        };
        assert!(!info.trained, "the bundled file says that its weights are random");
        assert_eq!(info.architecture, judge.architecture);
        assert_eq!(info.known_architecture, judge.architecture.starts_with("qwen3vl"));
    }
}

#[tokio::test]
async fn equal_inputs_give_equal_bits_whatever_ran_before() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b, c) = (
            picture("a", [200, 30, 30]),
            picture("b", [20, 40, 220]),
            picture("c", [9, 90, 9]),
        );
        let all = [&a, &b, &c];
        let wanted = ask(&a, &[&a, &b]);
        let cold = answer(&worker, &wanted, &all).await.unwrap();
        // Warm, after an extension of another prefix, after another base, and in a fresh process.
        let warm = answer(&worker, &wanted, &all).await.unwrap();
        assert_eq!(warm.cost.images_encoded, 0);
        assert!(warm.cost.reused_tokens > 0);
        answer(&worker, &ask(&a, &[&c]), &all).await.unwrap();
        answer(&worker, &ask(&a, &[&c, &a]), &all).await.unwrap();
        let after_others = answer(&worker, &wanted, &all).await.unwrap();
        answer(&worker, &ask(&b, &[&b, &c]), &all).await.unwrap();
        let after_base = answer(&worker, &wanted, &all).await.unwrap();
        let fresh = answer(&worker_of(judge), &wanted, &all).await.unwrap();
        for (name, other) in [
            ("warm", warm),
            ("others", after_others),
            ("base", after_base),
            ("fresh", fresh),
        ] {
            assert_eq!(cold.answers, other.answers, "{}: {name}", judge.architecture);
        }
    }
}

#[tokio::test]
async fn an_extended_prefix_gives_the_same_bits_as_a_fresh_one() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        answer(&worker, &ask(&a, &[&b]), &[&a, &b]).await.unwrap();
        let extended = answer(&worker, &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
        let fresh = answer(&worker_of(judge), &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
        assert!(extended.cost.reused_tokens > fresh.cost.reused_tokens);
        assert_eq!(extended.answers, fresh.answers, "{}", judge.architecture);
    }
}

#[tokio::test]
async fn what_is_seen_decides_and_so_does_the_order() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let ab = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
        let ba = answer(&worker, &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
        let aa = answer(&worker, &ask(&a, &[&a, &a]), &[&a, &b]).await.unwrap();
        assert_ne!(digits(&ab), digits(&ba), "{}", judge.architecture);
        assert_ne!(digits(&ab), digits(&aa), "{}", judge.architecture);
    }
}

#[tokio::test]
async fn a_question_longer_than_planned_is_refused() {
    let worker = dense();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let mut long = ask(&a, &[&a, &b]);
    long.branches[0].text = "framing ".repeat(400);
    let error = answer(&worker, &long, &[&a, &b]).await.unwrap_err();
    assert!(
        matches!(error, WorkerError::Engine(LlamaError::TooLong { .. })),
        "{error}"
    );
    let mut many = ask(&a, &[&a, &b]);
    many.branches = vec![many.branches[0].clone(); 9];
    many.layout.branch_tokens = 1024;
    let error = answer(&worker, &many, &[&a, &b]).await.unwrap_err();
    assert!(
        matches!(error, WorkerError::Engine(LlamaError::TooLong { .. })),
        "{error}"
    );
}

/// Questions with a lead in common are answered as each of them alone.
#[tokio::test]
async fn a_shared_lead_changes_no_answer() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let mut together = ask(&a, &[&a, &b]);
        for branch in &mut together.branches {
            branch.lead = "Of the two pictures, answer this in one word.\n".into();
        }
        // Another lead between: three groups.
        together.branches[2].lead = "Answer yes or no.\n".into();
        let all = answer(&worker, &together, &[&a, &b]).await.unwrap();
        let mut fed = 0;
        for (n, branch) in together.branches.iter().enumerate() {
            let mut alone = together.clone();
            alone.branches = vec![branch.clone()];
            let one = answer(&worker, &alone, &[&a, &b]).await.unwrap();
            fed += one.cost.branch_tokens;
            match (&one.answers[0], &all.answers[n]) {
                (Answer::Digits { log_probs: x }, Answer::Digits { log_probs: y }) => {
                    // Other batches, other sums: half precision shows, in what is likely hardly.
                    for (x, y) in x.iter().zip(y) {
                        assert!((x.exp() - y.exp()).abs() < 1e-2, "{n}: {x} {y}");
                    }
                }
                (Answer::YesNo { yes: x, .. }, Answer::YesNo { yes: y, .. }) => {
                    assert!((x - y).abs() < 1e-2, "{n}: {x} {y}");
                }
                (Answer::Text { text: x, .. }, Answer::Text { text: y, .. }) => {
                    // A word may tip over somewhere; an answer to another question would begin otherwise.
                    assert_eq!(x.split(' ').next(), y.split(' ').next(), "{n}");
                }
                (x, y) => panic!("{n}: {x:?} {y:?}"),
            }
        }
        assert!(all.cost.branch_tokens < fed, "{} of {fed}", all.cost.branch_tokens);
        // Without its lead a question is another one.
        let mut bare = together.clone();
        bare.branches[0].lead.clear();
        let bare = answer(&worker, &bare, &[&a, &b]).await.unwrap();
        assert_ne!(bare.answers[0], all.answers[0]);
    }
}
