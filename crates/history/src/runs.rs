//! Runs and the pictures they made.

use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::error::{HistoryError, Result};
use super::iterations;
use super::rows::{NewRun, Run, RunImage};
use super::state::{RunState, RunUpdate};
use super::store::Store;
use super::time::Timestamp;
use types::{ImageHash, IterationNo, PromptId, Seed, SessionId};

impl Store {
    /// The run of this iteration and seed that is finished, or open on this server; where there is none, a new one is written down as
    /// prepared. To be called before the request is sent, so that it can be found again whatever happens after. Of two
    /// programs on one history that ask at the same time, both get the same run.
    pub async fn prepare_run(&self, new: NewRun) -> Result<Run> {
        self.write(move |transaction| prepare(transaction, new)).await
    }

    /// Takes a prepared run for sending it now, so that of all that would send it only one does. Nothing where another took it since
    /// `seen` was read, or where it is no longer to be sent. What it returns counts as prepared now.
    pub async fn claim_run(&self, seen: &Run) -> Result<Option<Run>> {
        let (id, seen) = (seen.prompt_id, seen.prepared_at);
        self.write(move |transaction| claim(transaction, id, seen)).await
    }

    /// Writes down what became of a run. Going back is an error; the state that a run has already is accepted and
    /// changes nothing. Returns the run as it then is.
    pub async fn update_run_state(&self, id: PromptId, update: RunUpdate) -> Result<Run> {
        self.write(move |transaction| advance(transaction, id, update)).await
    }

    /// One run.
    pub async fn run(&self, id: PromptId) -> Result<Run> {
        self.read(move |transaction| find(transaction, id)).await
    }

    /// The runs of a session, or of one of its iterations, oldest first.
    pub async fn runs_of(&self, session: &SessionId, n: Option<IterationNo>) -> Result<Vec<Run>> {
        let (of, session) = (session, session.clone());
        let rows = move |transaction: &Transaction<'_>| iterations::rows_of(transaction, "runs", &session, n, run_row);
        self.read_of(of, rows).await
    }

    /// All runs that are prepared or submitted, of every session, oldest first: to be picked up after a restart.
    pub async fn open_runs(&self) -> Result<Vec<Run>> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT * FROM runs WHERE state IN ('prepared', 'submitted') ORDER BY prepared_at, rowid",
            )?;
            let rows = statement.query_map((), run_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Records the pictures of a run. To be called before the run becomes finished. May be repeated with the same
    /// pictures; another picture in the place of a recorded one is an error, and then nothing is recorded.
    pub async fn record_images(&self, id: PromptId, images: Vec<RunImage>) -> Result<()> {
        self.write(move |transaction| record_images(transaction, id, &images))
            .await
    }

    /// Remembers seeds that an iteration is to be run with, so that they are not forgotten when the work on them is broken off.
    pub async fn ask_for_seeds(&self, session: &SessionId, n: IterationNo, seeds: Vec<Seed>) -> Result<()> {
        let session = session.clone();
        self.write(move |transaction| {
            iterations::require(transaction, &session, n)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO asked_seeds (session_id, iteration, seed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?;
            for seed in seeds {
                insert.execute((&session, n, seed))?;
            }
            Ok(())
        })
        .await
    }

    /// The seeds that an iteration was to be run with, in the order in which they were asked for: those that were remembered, and
    /// those of its runs.
    pub async fn seeds_of(&self, session: &SessionId, n: IterationNo) -> Result<Vec<Seed>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            iterations::require(transaction, &session, n)?;
            let mut seeds: Vec<Seed> = Vec::new();
            for query in [
                "SELECT seed FROM asked_seeds WHERE session_id = ?1 AND iteration = ?2 ORDER BY id",
                "SELECT seed FROM runs WHERE session_id = ?1 AND iteration = ?2 ORDER BY rowid",
            ] {
                let mut statement = transaction.prepare_cached(query)?;
                for seed in statement.query_map((&session, n), |row| row.get(0))? {
                    let seed = seed?;
                    if !seeds.contains(&seed) {
                        seeds.push(seed);
                    }
                }
            }
            Ok(seeds)
        })
        .await
    }

    /// The pictures of a run, by ordinal.
    pub async fn images_of(&self, id: PromptId) -> Result<Vec<RunImage>> {
        self.read(move |transaction| {
            find(transaction, id)?;
            let mut statement =
                transaction.prepare_cached("SELECT * FROM images WHERE prompt_id = ?1 ORDER BY ordinal")?;
            let rows = statement.query_map([id], image_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// The first picture of each iteration from one to another, both included, of the first run that finished; none of
    /// iterations without.
    pub async fn first_images(
        &self,
        session: &SessionId,
        from: IterationNo,
        to: IterationNo,
    ) -> Result<Vec<(IterationNo, ImageHash)>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT r.iteration, i.image_hash FROM runs r JOIN images i ON i.prompt_id = r.prompt_id AND i.ordinal = 0
                 WHERE r.session_id = ?1 AND r.iteration BETWEEN ?2 AND ?3 AND r.state = 'finished'
                 ORDER BY r.iteration, r.rowid",
            )?;
            let rows = statement.query_map((&session, from, to), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut first: Vec<(IterationNo, ImageHash)> = rows.collect::<rusqlite::Result<_>>()?;
            first.dedup_by_key(|(n, _)| *n);
            Ok(first)
        })
        .await
    }
}

fn prepare(transaction: &Transaction<'_>, new: NewRun) -> Result<Run> {
    iterations::require(transaction, &new.session, new.iteration)?;
    let there = transaction
        .prepare_cached(
            "SELECT * FROM runs WHERE session_id = ?1 AND iteration = ?2 AND seed = ?3
                 AND (state = 'finished' OR state IN ('prepared', 'submitted') AND server = ?4)
             ORDER BY state <> 'finished', rowid LIMIT 1",
        )?
        .query_row((&new.session, new.iteration, new.seed, &new.server), run_row)
        .optional()?;
    if let Some(there) = there {
        return Ok(there);
    }
    let repeated = transaction
        .prepare_cached("SELECT 1 FROM runs WHERE prompt_id = ?1")?
        .exists([new.prompt_id])?;
    if repeated {
        return Err(HistoryError::RepeatedRun(new.prompt_id));
    }
    let run = Run {
        prompt_id: new.prompt_id,
        session: new.session,
        iteration: new.iteration,
        seed: new.seed,
        server: new.server,
        state: RunState::Prepared,
        error: None,
        cached: false,
        seconds: None,
        prepared_at: Timestamp::now(),
        submitted_at: None,
        finished_at: None,
    };
    transaction
        .prepare_cached(
            "INSERT INTO runs (prompt_id, session_id, iteration, seed, server, state, prepared_at)
             VALUES (:prompt_id, :session, :iteration, :seed, :server, :state, :prepared_at)",
        )?
        .execute(named_params! {
            ":prompt_id": run.prompt_id,
            ":session": run.session,
            ":iteration": run.iteration,
            ":seed": run.seed,
            ":server": run.server,
            ":state": run.state,
            ":prepared_at": run.prepared_at,
        })?;
    Ok(run)
}

fn claim(transaction: &Transaction<'_>, id: PromptId, seen: Timestamp) -> Result<Option<Run>> {
    let now = match Timestamp::now() {
        // Two claims never look alike, also within a millisecond.
        now if now == seen => Timestamp::from_millis(now.millis().saturating_add(1)),
        now => now,
    };
    let claimed = transaction
        .prepare_cached(
            "UPDATE runs SET prepared_at = :now WHERE prompt_id = :prompt_id AND state = :state AND prepared_at = :seen",
        )?
        .execute(named_params! {
            ":now": now,
            ":prompt_id": id,
            ":state": RunState::Prepared,
            ":seen": seen,
        })?;
    match claimed {
        0 => Ok(None),
        _ => find(transaction, id).map(Some),
    }
}

fn advance(transaction: &Transaction<'_>, id: PromptId, update: RunUpdate) -> Result<Run> {
    let mut run = find(transaction, id)?;
    let next = update.state();
    if run.state == next {
        return Ok(run);
    }
    if !run.state.may_become(next) {
        return Err(HistoryError::Transition {
            run: id,
            from: run.state,
            to: next,
        });
    }
    run.state = next;
    if next.is_open() {
        run.submitted_at.get_or_insert_with(Timestamp::now);
        (run.finished_at, run.error) = (None, None);
    } else {
        run.finished_at = Some(Timestamp::now());
    }
    match update {
        RunUpdate::Submitted => {}
        RunUpdate::Cancelled { by } => run.error = by,
        RunUpdate::Finished { cached, seconds } => {
            run.cached = cached;
            run.seconds = seconds;
        }
        RunUpdate::Failed { error } | RunUpdate::Lost { error } => run.error = Some(error),
    }
    transaction
        .prepare_cached(
            "UPDATE runs SET state = :state, error = :error, cached = :cached, seconds = :seconds,
                 submitted_at = :submitted_at, finished_at = :finished_at
             WHERE prompt_id = :prompt_id",
        )?
        .execute(named_params! {
            ":prompt_id": run.prompt_id,
            ":state": run.state,
            ":error": run.error,
            ":cached": run.cached,
            ":seconds": run.seconds,
            ":submitted_at": run.submitted_at,
            ":finished_at": run.finished_at,
        })?;
    Ok(run)
}

/// One run, or an error.
pub(super) fn find(transaction: &Transaction<'_>, id: PromptId) -> Result<Run> {
    transaction
        .prepare_cached("SELECT * FROM runs WHERE prompt_id = ?1")?
        .query_row([id], run_row)
        .optional()?
        .ok_or(HistoryError::UnknownRun(id))
}

pub(super) fn run_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        prompt_id: row.get("prompt_id")?,
        session: row.get("session_id")?,
        iteration: row.get("iteration")?,
        seed: row.get("seed")?,
        server: row.get("server")?,
        state: row.get("state")?,
        error: row.get("error")?,
        cached: row.get("cached")?,
        seconds: row.get("seconds")?,
        prepared_at: row.get("prepared_at")?,
        submitted_at: row.get("submitted_at")?,
        finished_at: row.get("finished_at")?,
    })
}

pub(super) fn image_row(row: &Row<'_>) -> rusqlite::Result<RunImage> {
    Ok(RunImage {
        ordinal: row.get("ordinal")?,
        hash: row.get("image_hash")?,
        filename: row.get("filename")?,
        subfolder: row.get("subfolder")?,
        folder_type: row.get("folder_type")?,
        width: row.get("width")?,
        height: row.get("height")?,
    })
}

fn record_images(transaction: &Transaction<'_>, id: PromptId, images: &[RunImage]) -> Result<()> {
    find(transaction, id)?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO images (prompt_id, ordinal, image_hash, filename, subfolder, folder_type, width, height)
         VALUES (:prompt_id, :ordinal, :hash, :filename, :subfolder, :folder_type, :width, :height)
         ON CONFLICT DO NOTHING",
    )?;
    let mut recorded =
        transaction.prepare_cached("SELECT image_hash FROM images WHERE prompt_id = ?1 AND ordinal = ?2")?;
    for image in images {
        insert.execute(named_params! {
            ":prompt_id": id,
            ":ordinal": image.ordinal,
            ":hash": image.hash,
            ":filename": image.filename,
            ":subfolder": image.subfolder,
            ":folder_type": image.folder_type,
            ":width": image.width,
            ":height": image.height,
        })?;
        let there: ImageHash = recorded.query_row((id, image.ordinal), |row| row.get(0))?;
        if there != image.hash {
            return Err(HistoryError::ImageConflict {
                run: id,
                ordinal: image.ordinal,
                recorded: there,
            });
        }
    }
    Ok(())
}
