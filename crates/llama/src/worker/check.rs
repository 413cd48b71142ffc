//! Whether an answer can be true: the child is not believed blindly.

use judge::engine::{Answer, Answers, Ask, Want};

/// Rounding above 1 that a sum of probabilities may show.
const SLACK: f64 = 1e-6;
/// More bytes than any token's text has.
const TOKEN_BYTES: usize = 1024;

/// Checks that every question has an answer of its kind, with probabilities that are some.
pub fn check(ask: &Ask, answers: &Answers) -> Result<(), String> {
    let (asked, got) = (ask.branches.len(), answers.answers.len());
    if asked != got {
        return Err(format!("{got} answers to {asked} questions"));
    }
    for (n, (branch, answer)) in ask.branches.iter().zip(&answers.answers).enumerate() {
        let fits = match (&branch.want, answer) {
            (Want::Digits, Answer::Digits { log_probs }) => {
                // A token that a model never says has -inf; the sum of ten is a probability.
                log_probs.iter().all(|p| !p.is_nan() && *p <= SLACK)
                    && log_probs.iter().map(|p| p.exp()).sum::<f64>() <= 1.0 + SLACK
            }
            (Want::YesNo, Answer::YesNo { yes, no }) => {
                [*yes, *no, yes + no].iter().all(|p| (0.0..=1.0 + SLACK).contains(p))
            }
            (Want::Text { max_tokens } | Want::Constrained { max_tokens, .. }, Answer::Text { text, .. }) => {
                text.len() <= (*max_tokens as usize).saturating_mul(TOKEN_BYTES)
            }
            _ => false,
        };
        if !fits {
            return Err(format!("answer {n} is {answer:?}"));
        }
    }
    let cost = &answers.cost;
    let seconds = [cost.encode_s, cost.prefill_s, cost.branch_s, cost.decode_s];
    if seconds.iter().all(|s| s.is_finite() && *s >= 0.0) {
        Ok(())
    } else {
        Err(format!("it took {seconds:?} seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::engine::{Branch, Cost, Layout, PixelKey};

    fn ask(wants: &[Want]) -> Ask {
        Ask {
            system: String::new(),
            base: PixelKey("a".into()),
            images: vec![],
            lasting: vec![],
            branches: wants
                .iter()
                .map(|want| Branch {
                    lead: String::new(),
                    text: String::new(),
                    want: want.clone(),
                })
                .collect(),
            layout: Layout {
                system_tokens: 1,
                image_tokens: 1,
                more_images: 1,
                branches: 9,
                branch_tokens: 1,
            },
        }
    }

    fn verdict(want: Want, answer: Answer) -> Result<(), String> {
        let answers = Answers {
            answers: vec![answer],
            cost: Cost::default(),
        };
        check(&ask(&[want]), &answers)
    }

    fn digits(p: f64) -> Answer {
        Answer::Digits {
            log_probs: [p.ln(); 10],
        }
    }

    #[test]
    fn answers_that_can_be_true_pass() {
        assert_eq!(verdict(Want::Digits, digits(0.1)), Ok(()));
        assert_eq!(verdict(Want::Digits, digits(0.0)), Ok(()));
        assert_eq!(verdict(Want::YesNo, Answer::YesNo { yes: 0.3, no: 0.6 }), Ok(()));
        let text = |text: &str| Answer::Text {
            text: text.into(),
            ended: true,
        };
        assert_eq!(verdict(Want::Text { max_tokens: 4 }, text("red")), Ok(()));
        assert!(verdict(Want::Text { max_tokens: 1 }, text(&"red".repeat(999))).is_err());
    }

    #[test]
    fn answers_that_cannot_be_true_do_not() {
        assert!(verdict(Want::Digits, digits(0.2)).is_err(), "ten times .2");
        assert!(verdict(Want::Digits, digits(f64::NAN)).is_err());
        assert!(verdict(Want::Digits, digits(1.5)).is_err());
        assert!(verdict(Want::YesNo, Answer::YesNo { yes: 0.8, no: 0.8 }).is_err());
        assert!(verdict(Want::YesNo, Answer::YesNo { yes: -0.1, no: 0.8 }).is_err());
        assert!(verdict(Want::YesNo, Answer::YesNo { yes: f64::NAN, no: 0.1 }).is_err());
        assert!(verdict(Want::YesNo, digits(0.1)).is_err(), "another kind");
        let none = Answers {
            answers: vec![],
            cost: Cost::default(),
        };
        assert!(check(&ask(&[Want::Digits]), &none).is_err(), "too few");
        let late = Answers {
            answers: vec![digits(0.1)],
            cost: Cost {
                encode_s: f64::INFINITY,
                ..Cost::default()
            },
        };
        assert!(check(&ask(&[Want::Digits]), &late).is_err());
    }
}
