//! What advice on a session is given on, read from the history.

use super::deciding::WINDOW;
use super::records::JudgementRecord;
use super::{Service, ServiceError};
use calibration::advice::{Blind, Facts, Scored, Standing};
use calibration::decision_log::RecordId;
use history::{RunCounts, Session, Span};
use judge::average::averaged;
use types::{JudgeHash, SessionId};

/// How many iterations have run, of which the newest has this number: one that made no picture is none. Of those before the runs
/// that are given it is taken for granted, so that a view of a long session reads no more.
fn ran(newest: u32, recent: impl Iterator<Item = RunCounts>) -> u32 {
    let idle = recent.filter(|runs| runs.finished == 0).count();
    newest.saturating_sub(u32::try_from(idle).unwrap_or(u32::MAX))
}

impl Service {
    /// How many iterations of a session have run.
    pub(super) async fn iterations_that_ran(&self, session: &SessionId) -> Result<u32, ServiceError> {
        let recent = self.store.trend(session, Span::Last(WINDOW)).await?;
        let newest = recent.last().map_or(0, |row| row.n.get());
        Ok(ran(newest, recent.iter().map(|row| row.runs)))
    }

    /// What advice on a session is given on, with the decisions that are not recorded yet.
    pub(super) async fn facts(&self, session: &Session, judge: Option<&JudgeHash>) -> Result<Facts, ServiceError> {
        let id = &session.id;
        let recent = self.store.trend(id, Span::Last(WINDOW)).await?;
        let ran = ran(
            recent.last().map_or(0, |row| row.n.get()),
            recent.iter().map(|row| row.runs),
        );
        let is_full = ran >= session.opened.max_iterations;
        // One that was refused, or whose run failed, is not asked for again; nor is a draft beyond the maximum.
        let unjudged = recent.last().filter(|row| {
            let is_draft = row.runs.finished == 0 && row.runs.open == 0;
            row.scores.is_empty() && row.runs.failed == 0 && row.runs.cancelled == 0 && !(is_draft && is_full)
        });
        let mut facts = Facts {
            target: session.opened.target_score,
            max_iterations: session.opened.max_iterations,
            ran,
            newest: recent.last().map(|row| row.n),
            unjudged: unjudged.map(|row| row.n),
            notes: recent
                .iter()
                .filter_map(|row| Some((row.n, row.note.clone()?)))
                .collect(),
            ..Facts::default()
        };
        let Some(judge) = judge else {
            return Ok(facts);
        };
        let made = self.decisions(session, judge).await?;
        facts.unreadable = made.unreadable;
        facts.pending = made.new;
        let incumbent = made.log.incumbent();
        facts.decisions = made.log.into_decisions();
        facts.blind = self.blind(session, judge, &mut facts).await?;
        // The best by another judge, or against another target, has to be scored by this one before it can be beaten.
        let other = facts.decisions.iter().find_map(|d| d.detail.best_by_another);
        if let Some(other) = other
            && self.evidence(session, judge, other).await?.seeds.samples.is_empty()
        {
            facts.unjudged = Some(other);
        }
        let Some(n) = incumbent else {
            return Ok(facts);
        };
        let evidence = self.evidence(session, judge, n).await?;
        facts.unreadable.join(&evidence.unreadable);
        facts.best = averaged(&evidence.verdicts.iter().map(|(_, v)| v).collect::<Vec<_>>()).map(|verdict| Standing {
            n,
            verdict,
            seeds: evidence
                .verdicts
                .iter()
                .filter(|(seed, _)| !evidence.seeds.spent.contains(seed))
                .map(|(seed, verdict)| Scored::of(*seed, verdict))
                .collect(),
            spent: evidence.seeds.spent,
            seedless: evidence.seeds.seedless,
        });
        Ok(facts)
    }

    /// Whether the judge's newest judgement counts no axis, so that it can lead nowhere.
    async fn blind(
        &self,
        session: &Session,
        judge: &JudgeHash,
        facts: &mut Facts,
    ) -> Result<Option<Blind>, ServiceError> {
        let Some(newest) = self.store.newest_judgement(&session.id, judge, None).await? else {
            return Ok(None);
        };
        match JudgementRecord::read(&newest.content.verdict) {
            Ok(record) => Ok(record.verdict().as_ref().and_then(Blind::of)),
            Err(error) => {
                facts.unreadable.add(RecordId::Judgement(newest.id), error);
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iteration_counts_that_made_a_picture() {
        let runs = |finished: u32, failed: u32| RunCounts {
            finished,
            failed,
            ..RunCounts::default()
        };
        assert_eq!(ran(0, [].into_iter()), 0);
        // A draft, a failure, and one that succeeded after it failed.
        assert_eq!(ran(4, [runs(2, 0), runs(0, 0), runs(0, 1), runs(1, 1)].into_iter()), 2);
        assert_eq!(ran(100, [runs(1, 0), runs(0, 0)].into_iter()), 99, "with those before");
    }
}
