//! The seeds that an iteration is run with, and which of them made a difference.

use super::inject::{Located, random_seed};
use super::kept::KeptPicture;
use super::pictured::Look;
use super::{RunReport, Service, ServiceError};
use comfyui::inject::{Finding, Role, kept_seeds, reason};
use comfyui::knobs::check_seed;
use types::{IterationNo, Seed, SessionId};

/// The seeds of a piece of work.
pub(super) struct Seeds {
    pub(super) seeds: Vec<Seed>,
    /// Whether the workflow takes none; the one seed then is only a name for its run.
    pub(super) seedless: bool,
    /// What the reader should know of them.
    pub(super) notes: Vec<String>,
    /// Why they go where they go, and which samplers keep theirs: told once a session.
    pub(super) of_workflow: Vec<String>,
}

impl Service {
    /// The seeds asked for; else those that were asked for or run before, so that asking again runs nothing
    /// new; else the graph's own. A workflow without a seed is run once, whatever was asked for.
    pub(super) async fn seeds(
        &self,
        session: &SessionId,
        n: IterationNo,
        asked: &[Seed],
        located: &Located,
    ) -> Result<Seeds, ServiceError> {
        let mut known = self.store.seeds_of(session, n).await?;
        let seedless = *located.roles.get(Role::Seed) == Finding::Absent;
        if seedless {
            let mut notes = Vec::new();
            if asked.len() > 1 || asked.iter().any(|seed| !known.contains(seed)) {
                notes.push(
                    "This workflow has no seed that is written: every run makes the same picture, so it is run once and the \
                     seeds asked for count as one. Where there is a seed after all, name it with place: {\"seed\": \
                     \"NODE.INPUT\"}."
                        .to_owned(),
                );
            }
            known.truncate(1);
            if known.is_empty() {
                known.push(Seed(0));
            }
            return Ok(Seeds {
                seeds: known,
                seedless,
                notes,
                of_workflow: Vec::new(),
            });
        }
        // What began before the place was settled is brought to its end.
        for seed in asked.iter().filter(|seed| !known.contains(seed)) {
            check_seed(&located.roles, seed.0)?;
        }
        let (mut notes, mut of_workflow) = (Vec::new(), Vec::new());
        let seeds = if !asked.is_empty() {
            // What stands in the workflow is not written.
            if asked != [own_seed(located)] {
                of_workflow.extend(reason(&located.roles, Role::Seed));
                of_workflow.extend(kept_seeds(&located.roles));
            }
            asked.to_vec()
        } else if !known.is_empty() {
            known
        } else if let Some(random) = random_seed(&located.roles) {
            notes.push(format!(
                "The workflow's own seed stands for a random one: {random} was chosen."
            ));
            vec![random]
        } else {
            vec![own_seed(located)]
        };
        Ok(Seeds {
            seeds,
            seedless,
            notes,
            of_workflow,
        })
    }

    /// Finds reports whose pictures are the same, whatever else their files hold.
    pub(super) async fn compare(&self, reports: &mut [RunReport]) -> Result<(), ServiceError> {
        if reports.len() < 2 {
            return Ok(());
        }
        let mut known: Vec<(Seed, Look)> = Vec::new();
        for report in reports {
            let Some(KeptPicture { image, .. }) = report.images.first() else {
                continue;
            };
            // A picture that cannot be read is told where it is needed.
            let Ok(look) = self.look(&image.hash).await else {
                continue;
            };
            let seed = report.run.seed;
            let same = known.iter().find(|(_, other)| *other == look);
            match same {
                Some((other, _)) => {
                    report.same_as = Some(*other);
                    let told = format!(
                        "Seed {seed} made the same picture as seed {other}: the seed has no effect here, and the two count as one."
                    );
                    report.remark = Some(match report.remark.take() {
                        Some(remark) => format!("{remark} {told}"),
                        None => told,
                    });
                }
                None => known.push((seed, look)),
            }
        }
        Ok(())
    }
}

/// The seed that stands in the graph: where several do, the first sampler's.
fn own_seed(located: &Located) -> Seed {
    let places = located.roles.get(Role::Seed).places();
    Seed(places.first().and_then(|place| place.value.as_u64()).unwrap_or(0))
}
