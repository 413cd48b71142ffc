//! A whole session with its pictures, as the report shows it.

use std::collections::BTreeMap;

use super::files::blocking;
use super::judge_plan::rubric_of;
use super::prompt_place::{TextBeside, texts_beside};
use super::records::JudgementRecord;
use super::{Service, ServiceError};
use calibration::advice::advise;
use calibration::decided::{Decided, newest};
use calibration::decision_log::RecordId;
use history::{Iteration, Judgement, Run, RunState, Session, Span};
use imaging::preview;
use judge::average::averaged;
use judge::rubric::Rubric;
use judge::verdict::Verdict;
use text::capitalised;
use text::secrets::Secrets;
use types::progress::{Meter, Teller};
use types::{ImageHash, IterationNo, JudgeHash};

/// A picture, small enough for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// JPEG.
    pub jpeg: Vec<u8>,
    /// Pixels across, of the picture itself.
    pub width: u32,
    /// Pixels down, of the picture itself.
    pub height: u32,
}

/// A run and what there is to show of it.
#[derive(Clone, Debug)]
pub struct NotedRun {
    /// The run.
    pub run: Run,
    /// Its first picture's hash.
    pub image: Option<ImageHash>,
    /// That picture; nothing where it is gone, or withheld.
    pub picture: Option<Thumbnail>,
    /// Why the picture is not shown: the guard's reason.
    pub withheld: Option<String>,
    /// Its overall score by the notebook's judge.
    pub score: Option<f64>,
}

/// An iteration with all that came of it.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The iteration.
    pub iteration: Iteration,
    /// The workflow's own texts that steered it beside its prompt, as far as can be told without the nodes' definitions.
    pub beside: Vec<TextBeside>,
    /// Its runs.
    pub runs: Vec<NotedRun>,
    /// Its seeds' judgements by the notebook's judge, averaged.
    pub verdict: Option<Verdict>,
    /// The newest decision about it by that judge.
    pub decision: Option<Decided>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Notebook {
    /// The session.
    pub session: Session,
    /// Its rubric.
    pub rubric: Rubric,
    /// Whose scores are shown: the newest judge's.
    pub judge: Option<JudgeHash>,
    /// The best iteration.
    pub best: Option<IterationNo>,
    /// The state of things in a few sentences.
    pub summary: String,
    /// Whether pictures and words are hidden until the reader asks: explicit work, or work that the guard has refused.
    pub veiled: bool,
    /// The reference; nothing where it is gone, or was refused by the guard.
    pub reference: Option<Thumbnail>,
    /// All iterations, oldest first, without their graphs.
    pub iterations: Vec<Noted>,
    /// What the workflow and the graphs hold that nobody may see.
    pub(crate) secrets: Secrets,
}

/// The longer side of a page's pictures, in pixels: a page of many stays a file that can be sent.
fn side(pictures: usize) -> u32 {
    match pictures {
        ..=60 => 640,
        61..=200 => 448,
        _ => 256,
    }
}

impl Service {
    /// A whole session, with previews of its pictures. Writes nothing.
    ///
    /// # Errors
    /// [`ServiceError`] of the history; a picture that is gone is no error.
    pub async fn notebook(&self, id: &str, teller: &Teller) -> Result<Notebook, ServiceError> {
        let session = self.open_session(id).await?;
        let judge = self.shown_judge(&session).await?;
        let mut facts = self.facts(&session, judge.as_ref()).await?;
        let count = self.store.iteration_count(&session.id).await?;
        let mut runs: BTreeMap<IterationNo, Vec<Run>> = BTreeMap::new();
        for run in self.store.runs_of(&session.id, None).await? {
            runs.entry(run.iteration).or_default().push(run);
        }
        let mut judgements: Vec<(Judgement, JudgementRecord)> = Vec::new();
        for judgement in self.store.judgements_of(&session.id, None).await? {
            match JudgementRecord::read(&judgement.content.verdict) {
                Ok(record) => judgements.push((judgement, record)),
                Err(error) => facts.unreadable.add(RecordId::Judgement(judgement.id), error),
            }
        }
        let decisions = self
            .decisions_about(&session, judge.as_ref(), Span::All, &mut facts)
            .await?;
        let decisions = newest(&decisions);
        let side = side(runs.values().map(Vec::len).sum());
        let meter = Meter::new(teller, "reading pictures", u64::from(count));
        let mut noted = Vec::new();
        let mut secrets = Secrets::of(&session.opened.workflow);
        for n in 1..=count {
            meter.step();
            let n = self.iteration_no(n)?;
            // One after the other, and without the graph: those of a whole session may fill the memory.
            let read = self.store.iterations(&session.id, Span::Between(n, n)).await?;
            let Some(mut iteration) = read.into_iter().next() else {
                continue;
            };
            let graph = std::mem::take(&mut iteration.content.graph);
            secrets.learn(&graph);
            let choices = session.opened.choices.clone();
            let beside = match iteration.content.positive {
                Some(_) => blocking(move || Ok(texts_beside(graph, &choices))).await?,
                None => Vec::new(),
            };
            let of_this: Vec<&(Judgement, JudgementRecord)> = judgements
                .iter()
                .filter(|(j, _)| j.content.iteration == Some(iteration.n))
                .collect();
            let mut shown = Vec::new();
            let mut verdicts: Vec<Verdict> = Vec::new();
            for run in runs.remove(&n).unwrap_or_default() {
                let (run, verdict) = self.noted(run, &of_this, judge.as_ref(), side).await?;
                shown.push(run);
                verdicts.extend(verdict);
            }
            noted.push(Noted {
                verdict: averaged(&verdicts.iter().collect::<Vec<_>>()),
                decision: decisions.get(&n).map(|d| (*d).clone()),
                runs: shown,
                beside,
                iteration,
            });
        }
        let refused = judgements
            .iter()
            .any(|(_, record)| matches!(record, JudgementRecord::Refused { .. }));
        let reference = match &session.opened.reference {
            Some(hash) if self.store.refusal_of(hash).await?.is_none() => self.thumbnail(hash, side).await,
            _ => None,
        };
        let session_is_explicit = session.opened.rubric.explicit;
        let mut summary = String::new();
        if let Some(best) = &facts.best {
            let score = best
                .verdict
                .overall_score
                .map(|s| format!(" {s:.2}"))
                .unwrap_or_default();
            summary = format!("Best{score} (iteration {}), target {:.2}. ", best.n, facts.target);
        }
        summary.push_str(&format!(
            "{} of at most {} iterations.",
            facts.ran, facts.max_iterations
        ));
        if facts.best.is_some() || facts.blind.is_some() {
            let step = advise(&facts).step.in_words(&facts);
            // The agent is told to stop; whoever reads the page wants to know why.
            let step = step.strip_prefix("Stop: ").unwrap_or(&step);
            summary.push_str(&format!(" {}", capitalised(step)));
        }
        if let Some(unreadable) = facts.unreadable.in_words() {
            summary.push_str(&format!(" {unreadable}"));
        }
        Ok(Notebook {
            rubric: rubric_of(&session)?,
            best: facts.best.map(|best| best.n),
            session,
            judge,
            summary,
            veiled: session_is_explicit || refused,
            reference,
            iterations: noted,
            secrets,
        })
    }

    async fn noted(
        &self,
        run: Run,
        judgements: &[&(Judgement, JudgementRecord)],
        judge: Option<&JudgeHash>,
        side: u32,
    ) -> Result<(NotedRun, Option<Verdict>), ServiceError> {
        let image = match run.state {
            RunState::Finished => self
                .store
                .images_of(run.prompt_id)
                .await?
                .into_iter()
                .next()
                .map(|i| i.hash),
            _ => None,
        };
        // Whoever refused it, and in whatever session, a refused picture is not shown.
        let refused = match &image {
            Some(hash) => self.store.refusal_of(hash).await?,
            None => None,
        };
        let verdict = judgements
            .iter()
            .rev()
            .filter(|(j, _)| j.content.run == Some(run.prompt_id) && Some(&j.content.judge) == judge)
            .find_map(|(_, record)| record.clone().verdict());
        let picture = match (&image, &refused) {
            (Some(hash), None) => self.thumbnail(hash, side).await,
            _ => None,
        };
        Ok((
            NotedRun {
                image,
                picture,
                withheld: refused,
                score: verdict.as_ref().and_then(|v| v.overall_score),
                run,
            },
            verdict,
        ))
    }

    /// A small copy of a stored picture; nothing where it is gone or damaged, which the log says.
    async fn thumbnail(&self, hash: &ImageHash, side: u32) -> Option<Thumbnail> {
        let made = self.with_stored(hash, move |picture| {
            let (width, height) = (picture.width(), picture.height());
            let jpeg = preview(&picture, side)?;
            Ok(Thumbnail { jpeg, width, height })
        });
        made.await
            .inspect_err(|error| tracing::warn!(%error, "a picture is left out of the report"))
            .ok()
    }
}
