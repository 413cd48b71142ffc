//! What decisions rest on, read from the history: the judged seeds of an iteration, and direct comparisons, which are asked here.

use std::collections::{BTreeMap, BTreeSet};

use super::deciding::Deciding;
use super::judge_plan::rubric_of;
use super::pictured::Pictured;
use super::question::is_seedless;
use super::records::{DirectAnswer, JudgementRecord};
use super::{Service, ServiceError};
use calibration::decided::Pair;
use calibration::decision_log::{RecordId, UnreadableRecords};
use calibration::stats::{JudgedSeeds, Sample};
use history::{NewComparison, Session, Span};
use judge::Call;
use judge::verdict::{Verdict, Versus};
use types::{ImageHash, IterationNo, JudgeHash, Seed};

/// The judged seeds of an iteration, with their verdicts.
pub(super) struct Evidence {
    /// As far as they can be compared.
    pub seeds: JudgedSeeds,
    /// Every seed's newest verdict, in the order of the runs.
    pub verdicts: Vec<(Seed, Verdict)>,
    /// Judgements that cannot be read.
    pub unreadable: UnreadableRecords,
    pictures: BTreeMap<Seed, ImageHash>,
}

impl Service {
    /// The judged seeds of an iteration by one judge.
    pub(super) async fn evidence(
        &self,
        session: &Session,
        judge: &JudgeHash,
        n: IterationNo,
    ) -> Result<Evidence, ServiceError> {
        let runs = self.store.judged_runs(&session.id, judge, Span::Between(n, n)).await?;
        let refused = self.store.refused_seeds(&session.id, n).await?;
        let mut found = Evidence {
            seeds: JudgedSeeds {
                n,
                samples: Vec::new(),
                spent: refused.into_iter().collect(),
                seedless: is_seedless(&session.opened.choices),
            },
            verdicts: Vec::new(),
            unreadable: UnreadableRecords::default(),
            pictures: BTreeMap::new(),
        };
        let mut pictures = BTreeSet::new();
        for run in runs {
            let verdict = match JudgementRecord::read(&run.judgement.content.verdict) {
                Ok(record) => record.verdict(),
                Err(error) => {
                    found.unreadable.add(RecordId::Judgement(run.judgement.id), error);
                    continue;
                }
            };
            let image = run.judgement.content.image;
            if !pictures.insert(image) {
                found.seeds.spent.insert(run.seed);
                found.seeds.seedless = true;
            } else if let Some(sample) = verdict.as_ref().and_then(|verdict| Sample::of(run.seed, verdict)) {
                found.seeds.samples.push(sample);
            } else {
                found.seeds.spent.insert(run.seed);
            }
            found.pictures.insert(run.seed, image);
            found.verdicts.extend(verdict.map(|verdict| (run.seed, verdict)));
        }
        Ok(found)
    }

    /// What the judge said of two iterations directly: log-odds by seed. Answers that cannot be read are added to `unreadable`.
    pub(super) async fn direct_answers(
        &self,
        session: &Session,
        judge: &JudgeHash,
        pair: &Pair,
        unreadable: &mut UnreadableRecords,
    ) -> Result<BTreeMap<Seed, Option<f64>>, ServiceError> {
        let (candidate, incumbent) = (pair.candidate.n, pair.against.n);
        let rows = self.store.comparisons(&session.id, judge, candidate, incumbent).await?;
        let mut answers = BTreeMap::new();
        for row in rows {
            match DirectAnswer::read(&row.content.value) {
                Ok(answer) => drop(answers.insert(row.content.seed, answer.log_odds)),
                Err(error) => unreadable.add(RecordId::Comparison(row.id), error),
            }
        }
        Ok(answers)
    }

    /// Asks the judge directly which iteration's pictures are closer, and records what it says. Where it cannot be asked, the log
    /// says so, and the decision is made without.
    pub(super) async fn ask_directly(
        &self,
        session: &Session,
        judge: &JudgeHash,
        pair: &Pair,
        seeds: &[Seed],
        call: &Deciding<'_>,
    ) {
        if let Err(error) = self.asked_directly(session, judge, pair, seeds, call).await {
            tracing::warn!(%error, "the direct comparison is left out of a decision");
        }
    }

    async fn asked_directly(
        &self,
        session: &Session,
        judge: &JudgeHash,
        pair: &Pair,
        seeds: &[Seed],
        deciding: &Deciding<'_>,
    ) -> Result<(), ServiceError> {
        let Some(reference) = &session.opened.reference else {
            return Ok(());
        };
        let rubric = rubric_of(session)?;
        let call = Call {
            rubric: &rubric,
            guarded: safety::applies(rubric.explicit, None),
            teller: deciding.teller,
            cancel: deciding.cancel,
        };
        let new = self.evidence(session, judge, pair.candidate.n).await?.pictures;
        let old = self.evidence(session, judge, pair.against.n).await?.pictures;
        for seed in seeds {
            let (Some(candidate_image), Some(incumbent_image)) = (new.get(seed), old.get(seed)) else {
                continue;
            };
            // Decoded only now: whoever waits for its turn holds no pictures.
            let turn = self.judge.turn(call.teller, call.cancel).await?;
            let reference = self.pictured(reference, &Pictured::Reference).await?;
            let incumbent = self.pictured(incumbent_image, &Pictured::Other).await?;
            let candidate = self.pictured(candidate_image, &Pictured::Other).await?;
            let read = turn.closer(&reference, &incumbent, &candidate, call).await?;
            drop((turn, reference, incumbent, candidate));
            let answer = DirectAnswer::from(Versus::of(String::new(), &rubric, &read));
            self.store
                .record_comparison(NewComparison {
                    session: session.id.clone(),
                    candidate: pair.candidate.n,
                    incumbent: pair.against.n,
                    seed: *seed,
                    judge: judge.clone(),
                    candidate_image: *candidate_image,
                    incumbent_image: *incumbent_image,
                    value: answer.write(),
                })
                .await?;
        }
        Ok(())
    }
}
