//! What a judgement leaves behind: a row in the history, also when it was refused.

use tokio_util::sync::CancellationToken;

use super::judge_plan::{Plan, Subject};
use super::judging::{BestSoFar, JudgementOf};
use super::records::JudgementRecord;
use super::{Service, ServiceError};
use history::{NewJudgement, Span};
use safety::Refusal;
use types::JudgeHash;

impl Service {
    pub(super) async fn record(
        &self,
        plan: &Plan,
        subject: &Subject,
        judge: &JudgeHash,
        record: &JudgementRecord,
    ) -> Result<(), ServiceError> {
        let (overall_score, overall_raw) = match record {
            JudgementRecord::Made { verdict, .. } => (verdict.overall_score, verdict.overall_raw),
            JudgementRecord::Refused { .. } => (None, None),
        };
        let verdict = record.write().map_err(|e| ServiceError::Internal(e.to_string()))?;
        let (session, iteration) = match &subject.of {
            JudgementOf::Run { session, n, .. } => (Some(session.clone()), Some(*n)),
            JudgementOf::Files { .. } => (plan.session.clone(), None),
        };
        self.store
            .record_judgement(NewJudgement {
                session,
                iteration,
                run: subject.run,
                reference: plan.reference,
                image: subject.picture,
                judge: judge.clone(),
                rubric: plan.rubric.hash(),
                overall_score,
                overall_raw,
                verdict,
            })
            .await?;
        Ok(())
    }

    pub(super) async fn record_refusal(
        &self,
        plan: &Plan,
        subject: &Subject,
        refusal: &Refusal,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let judge = self.judge.identity(&plan.rubric, cancel).await?.hash();
        self.record(plan, subject, &judge, &JudgementRecord::refused(refusal))
            .await
    }

    /// Records that a reference was refused by itself, so that it is withheld from then on.
    pub(super) async fn record_refused_reference(
        &self,
        plan: &Plan,
        refusal: &Refusal,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let subject = Subject {
            of: JudgementOf::Files {
                generated: "the reference itself".to_owned(),
            },
            picture: plan.reference,
            run: None,
        };
        self.record_refusal(plan, &subject, refusal, cancel).await
    }

    /// The best iteration of the session by this judge, other than the one that is judged.
    pub(super) async fn best_other(
        &self,
        plan: &Plan,
        of: &JudgementOf,
        judge: &JudgeHash,
    ) -> Result<Option<BestSoFar>, ServiceError> {
        let Some(session) = &plan.session else {
            return Ok(None);
        };
        let Some(n) = self.store.incumbent(session, judge).await? else {
            return Ok(None);
        };
        if matches!(of, JudgementOf::Run { n: own, .. } if *own == n) {
            return Ok(None);
        }
        let rows = self.store.trend(session, Span::Between(n, n)).await?;
        let scores = rows.iter().flat_map(|row| &row.scores);
        let overall = scores.filter(|s| s.judge == *judge).find_map(|s| s.overall);
        Ok(overall.map(|overall| BestSoFar { n, overall }))
    }
}
