//! Taking sessions out of the history for good, and with them the pictures that nothing else names.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Transaction;

use super::error::{HistoryError, Result};
use super::sessions;
use super::store::{Store, blocking};
use super::time::Timestamp;
use types::{ImageHash, SessionId};

/// What pruning removes, or would remove.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pruned {
    /// Sessions, with all their rows.
    pub sessions: Vec<SessionId>,
    /// Files of pictures that nothing else names, also those that earlier prunings spared.
    pub images: Vec<PathBuf>,
    /// Further ones that are too young to go: they may belong to what is not recorded yet.
    pub young: usize,
    /// Their bytes together.
    pub bytes: u64,
    /// Sessions that stay, because a run of theirs is not over.
    pub running: Vec<SessionId>,
}

/// A run that has been open for so long is over: nobody follows it any more.
const OPEN_AT_MOST: i64 = 24 * 3_600_000;
/// Pictures that were put or wanted again so lately may belong to something that is not recorded yet.
const YOUNG: Duration = Duration::from_secs(3_600);

impl Store {
    /// Sessions without any activity since a moment, oldest first.
    pub async fn sessions_idle_since(&self, moment: Timestamp) -> Result<Vec<SessionId>> {
        self.read(move |transaction| {
            let mut statement = transaction
                .prepare_cached("SELECT id FROM sessions WHERE last_activity < ?1 ORDER BY last_activity")?;
            let rows = statement.query_map([moment], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// What removing these sessions would remove, none included. Changes nothing.
    pub async fn would_prune(&self, sessions: Vec<SessionId>) -> Result<Pruned> {
        let images = self.images().clone();
        let (going, running, named) = self
            .read(move |transaction| {
                let (running, going) = split(transaction, sessions)?;
                let named = named_without(transaction, &going)?;
                Ok((going, running, named))
            })
            .await?;
        blocking(move || {
            let mut pruned = Pruned {
                sessions: going,
                running,
                ..Pruned::default()
            };
            for image in images.all().into_iter().filter(|image| !named.contains(&image.hash)) {
                let Ok(data) = fs::metadata(&image.path) else { continue };
                let age = data
                    .modified()
                    .ok()
                    .and_then(|at| at.elapsed().ok())
                    .unwrap_or_default();
                if age >= YOUNG {
                    pruned.bytes += data.len();
                    pruned.images.push(image.path);
                } else {
                    pruned.young += 1;
                }
            }
            pruned.images.sort();
            Ok(pruned)
        })
        .await
    }

    /// Removes sessions: their rows first, all or none, then the files of pictures that nothing names. Sessions with a run
    /// that is not over stay. What a judge knows of a reference stays.
    pub async fn prune(&self, sessions: Vec<SessionId>) -> Result<Pruned> {
        let mut pruned = self.would_prune(sessions).await?;
        let going = pruned.sessions.clone();
        let named = self
            .write(move |transaction| {
                for session in &going {
                    remove(transaction, session)?;
                }
                // Named since it was looked at: those stay.
                named_without(transaction, &[])
            })
            .await?;
        blocking(move || {
            pruned.images.retain(|path| {
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                let goes = ImageHash::parse(stem).is_ok_and(|hash| !named.contains(&hash));
                // One that cannot be removed keeps nobody from the others.
                goes && fs::remove_file(path)
                    .inspect_err(|error| tracing::warn!(%error, path = %path.display(), "a picture stays"))
                    .is_ok()
            });
            Ok(pruned)
        })
        .await
    }
}

/// Sessions with a run that is not over, and the others.
fn split(transaction: &Transaction<'_>, sessions: Vec<SessionId>) -> Result<(Vec<SessionId>, Vec<SessionId>)> {
    let since = Timestamp::from_millis(Timestamp::now().millis() - OPEN_AT_MOST);
    let (mut running, mut others) = (Vec::new(), Vec::new());
    for session in sessions {
        sessions::require(transaction, &session)?;
        let open = transaction
            .prepare_cached(
                "SELECT 1 FROM runs WHERE session_id = ?1 AND state IN ('prepared', 'submitted') AND prepared_at >= ?2",
            )?
            .exists((&session, since))?;
        if open { &mut running } else { &mut others }.push(session);
    }
    Ok((running, others))
}

/// Pictures that anything names but these sessions.
fn named_without(transaction: &Transaction<'_>, sessions: &[SessionId]) -> Result<BTreeSet<ImageHash>> {
    const NAMED: &str = "SELECT reference_hash AS hash, id AS session_id FROM sessions WHERE reference_hash IS NOT NULL
         UNION ALL SELECT i.image_hash, r.session_id FROM images i JOIN runs r USING (prompt_id)
         UNION ALL SELECT image_hash, session_id FROM judgements
         UNION ALL SELECT reference_hash, session_id FROM judgements";
    let gone: BTreeSet<&SessionId> = sessions.iter().collect();
    let mut named = BTreeSet::new();
    let mut statement = transaction.prepare(NAMED)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let session: Option<SessionId> = row.get(1)?;
        // What goes need not be readable.
        if session.as_ref().is_some_and(|session| gone.contains(session)) {
            continue;
        }
        let hash = row.get(0).map_err(HistoryError::from);
        named.insert(match session {
            Some(session) => hash.map_err(|error| error.of_session(session.as_str()))?,
            None => hash?,
        });
    }
    Ok(named)
}

fn remove(transaction: &Transaction<'_>, session: &SessionId) -> Result<()> {
    // Those that refer before those that are referred to; iterations refer to their parents, so the newest goes first.
    for table in ["decisions", "comparisons", "refusals", "judgements", "asked_seeds"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE session_id = ?1"), [session])?;
    }
    transaction.execute(
        "DELETE FROM images WHERE prompt_id IN (SELECT prompt_id FROM runs WHERE session_id = ?1)",
        [session],
    )?;
    transaction.execute("DELETE FROM runs WHERE session_id = ?1", [session])?;
    // Children refer to parents within one statement, which SQLite checks at its end.
    transaction.execute("DELETE FROM iterations WHERE session_id = ?1", [session])?;
    transaction.execute("DELETE FROM sessions WHERE id = ?1", [session])?;
    Ok(())
}
