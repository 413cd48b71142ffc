//! Tests T1 to T11 on rendered scenes.

mod edits;
mod loops;
mod pairs;
mod steps;
mod triplets;

pub(super) use edits::{among_lowest, axis_of};
pub(super) use steps::follows;

use std::sync::{Mutex, PoisonError};

use super::asker::Asker;
use super::report::{Estimate, Measure, Target, TestReport, WorstCase};
use super::{EvalError, Plan};
use imaging::{Picture, preview};
use types::progress::{Meter, Teller};

/// Cases kept for the page, a test.
const WORST: usize = 6;
/// Pixels a side of a picture on the page.
const PAGE_SIDE: u32 = 192;

/// The bench the tests run on.
pub(super) struct Bench<'a> {
    pub plan: &'a Plan<'a>,
    pub asker: &'a Asker<'a>,
    worst: Mutex<Vec<(f64, WorstCase)>>,
}

impl<'a> Bench<'a> {
    pub fn new(plan: &'a Plan<'a>, asker: &'a Asker<'a>) -> Self {
        Self {
            plan,
            asker,
            worst: Mutex::default(),
        }
    }

    /// Runs the tests of the plan's scope.
    pub async fn tests(&mut self) -> Result<Vec<TestReport>, EvalError> {
        const TESTS: [&str; 11] = ["T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11"];
        let wanted: Vec<&str> = TESTS.into_iter().filter(|t| self.plan.scope.holds(t)).collect();
        let mut reports = Vec::new();
        for (i, test) in wanted.iter().enumerate() {
            let part = |n: usize| n as f64 / wanted.len() as f64;
            let teller = self.plan.teller.part(part(i), part(i + 1));
            reports.push(match *test {
                "T1" => self.repeat(&teller).await?,
                "T2" => self.identical(&teller).await?,
                "T3" => self.unrelated(&teller).await?,
                "T4" => self.one_edit(&teller).await?,
                "T5" => self.growing(&teller).await?,
                "T6" => self.orders(&teller).await?,
                "T7" => self.triplets(&teller).await?,
                "T8" => self.calibrated(&teller).await?,
                "T9" => self.blind(&teller).await?,
                "T10" => self.written(&teller).await?,
                _ => self.loops(&teller).await?,
            });
        }
        Ok(reports)
    }

    /// What went most wrong, the worst first within each test.
    pub fn worst(&self) -> Vec<WorstCase> {
        self.kept().iter().map(|(_, case)| case.clone()).collect()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<(f64, WorstCase)>> {
        self.worst.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a case if it is among the worst of its test so far.
    fn wrong(
        &self,
        test: &str,
        error: f64,
        note: impl FnOnce() -> String,
        pictures: &[(&str, &Picture)],
    ) -> Result<(), EvalError> {
        let mut worst = self.kept();
        let of_test: Vec<usize> = (0..worst.len()).filter(|&i| worst[i].1.test == test).collect();
        let last = of_test.last().copied();
        if error <= 0.0 || of_test.len() >= WORST && last.is_some_and(|i| worst[i].0 >= error) {
            return Ok(());
        }
        if of_test.len() >= WORST
            && let Some(last) = last
        {
            worst.remove(last);
        }
        let pictures = pictures
            .iter()
            .map(|(label, picture)| Ok(((*label).to_owned(), preview(picture, PAGE_SIDE)?)))
            .collect::<Result<Vec<_>, EvalError>>()?;
        let case = WorstCase {
            test: test.to_owned(),
            error,
            note: note(),
            pictures,
        };
        let at = worst
            .iter()
            .position(|(e, c)| c.test == test && *e < error)
            .unwrap_or_else(|| {
                worst
                    .iter()
                    .rposition(|(_, c)| c.test == test)
                    .map_or(worst.len(), |i| i + 1)
            });
        worst.insert(at, (error, case));
        Ok(())
    }
}

fn meter(teller: &Teller, words: &str, total: usize) -> Meter {
    Meter::new(teller, words, total as u64)
}

/// A measure with the bundled judge's target and the best judges'.
fn measure(name: &str, estimate: Estimate, target: Target, world_class: Target) -> Measure {
    Measure {
        name: name.to_owned(),
        estimate,
        target: Some(target),
        world_class: Some(world_class),
    }
}

fn report(id: &str, title: &str, measures: Vec<Measure>) -> TestReport {
    TestReport {
        id: id.to_owned(),
        title: title.to_owned(),
        measures,
    }
}
