//! The tables, as an ordered list of migrations that is only ever appended to.
//!
//! The database's `user_version` is the number of migrations it has had. A migration that has been released is never
//! changed; a database of every released version is kept in `tests/fixtures/history`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::{HistoryError, Result};

/// Marks the file as ours (`PRAGMA application_id`): "PCal".
pub(super) const APPLICATION_ID: i64 = 0x5043_616c;

/// Each brings the database from the version that is its index to the next one.
const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5];

/// The schema version that this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Hashes are lower-case hexadecimal text; times are milliseconds since 1970 UTC; JSON is text. A seed is an unsigned
/// 64-bit number, which SQLite's integers cannot hold, and is therefore decimal text.
const V1: &str = "
CREATE TABLE sessions (
    id              TEXT PRIMARY KEY NOT NULL,
    created_at      INTEGER NOT NULL,
    title           TEXT,
    workflow        TEXT NOT NULL,
    workflow_hash   TEXT NOT NULL,
    workflow_source TEXT NOT NULL,
    reference_hash  TEXT,
    rubric_id       TEXT NOT NULL,
    rubric_hash     TEXT NOT NULL,
    rubric          TEXT NOT NULL,
    explicit        INTEGER NOT NULL CHECK (explicit IN (0, 1)),
    target_score    REAL NOT NULL CHECK (target_score BETWEEN 0 AND 1),
    max_iterations  INTEGER NOT NULL CHECK (max_iterations >= 1),
    choices         TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_time ON sessions (created_at);

CREATE TABLE iterations (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    n          INTEGER NOT NULL CHECK (n >= 1),
    parent     INTEGER CHECK (parent < n),
    created_at INTEGER NOT NULL,
    positive   TEXT,
    negative   TEXT,
    knobs      TEXT NOT NULL,
    graph      TEXT NOT NULL,
    graph_hash TEXT NOT NULL,
    changes    TEXT NOT NULL,
    note       TEXT,
    PRIMARY KEY (session_id, n),
    FOREIGN KEY (session_id, parent) REFERENCES iterations (session_id, n)
) STRICT;

CREATE TABLE runs (
    prompt_id    TEXT PRIMARY KEY NOT NULL,
    session_id   TEXT NOT NULL,
    iteration    INTEGER NOT NULL,
    seed         TEXT NOT NULL,
    server       TEXT NOT NULL,
    state        TEXT NOT NULL
        CHECK (state IN ('prepared', 'submitted', 'finished', 'failed', 'cancelled', 'lost')),
    error        TEXT,
    cached       INTEGER NOT NULL DEFAULT 0 CHECK (cached IN (0, 1)),
    seconds      REAL,
    prepared_at  INTEGER NOT NULL,
    submitted_at INTEGER,
    finished_at  INTEGER,
    FOREIGN KEY (session_id, iteration) REFERENCES iterations (session_id, n)
) STRICT;
CREATE INDEX runs_by_iteration ON runs (session_id, iteration);
CREATE INDEX runs_open ON runs (prepared_at) WHERE state IN ('prepared', 'submitted');

CREATE TABLE images (
    prompt_id   TEXT NOT NULL REFERENCES runs (prompt_id),
    ordinal     INTEGER NOT NULL CHECK (ordinal >= 0),
    image_hash  TEXT NOT NULL,
    filename    TEXT NOT NULL,
    subfolder   TEXT NOT NULL,
    folder_type TEXT NOT NULL,
    width       INTEGER NOT NULL,
    height      INTEGER NOT NULL,
    PRIMARY KEY (prompt_id, ordinal)
) STRICT;
CREATE INDEX images_by_hash ON images (image_hash);

CREATE TABLE judgements (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at     INTEGER NOT NULL,
    session_id     TEXT REFERENCES sessions (id),
    iteration      INTEGER CHECK (iteration IS NULL OR session_id IS NOT NULL),
    prompt_id      TEXT REFERENCES runs (prompt_id),
    reference_hash TEXT NOT NULL,
    image_hash     TEXT NOT NULL,
    judge_hash     TEXT NOT NULL,
    rubric_hash    TEXT NOT NULL,
    overall_score  REAL,
    overall_raw    REAL,
    verdict        TEXT NOT NULL,
    FOREIGN KEY (session_id, iteration) REFERENCES iterations (session_id, n)
) STRICT;
CREATE INDEX judgements_by_iteration ON judgements (session_id, iteration);
CREATE INDEX judgements_by_pair ON judgements (reference_hash, image_hash, judge_hash);

-- Of the reference values the newest row is in force: edits are added, never written over.
CREATE TABLE reference_values (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at     INTEGER NOT NULL,
    reference_hash TEXT NOT NULL,
    judge_hash     TEXT NOT NULL,
    rubric_hash    TEXT NOT NULL,
    edited         INTEGER NOT NULL CHECK (edited IN (0, 1)),
    value          TEXT NOT NULL
) STRICT;
CREATE INDEX reference_values_by_key ON reference_values (reference_hash, judge_hash, rubric_hash);

-- Ceilings and floors: the first that was measured stays.
CREATE TABLE scales (
    reference_hash TEXT NOT NULL,
    judge_hash     TEXT NOT NULL,
    rubric_hash    TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    value          TEXT NOT NULL,
    PRIMARY KEY (reference_hash, judge_hash, rubric_hash)
) STRICT;
";

/// Decisions, refusals before anything was rendered, and when a session was last worked on.
const V2: &str = "
-- Keep or revert, each time it was decided; of an iteration the newest is in force. `judgement` is the newest judgement that it
-- took into account. `against` is the iteration it was compared with, nothing for a judge's first.
CREATE TABLE decisions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at  INTEGER NOT NULL,
    session_id  TEXT NOT NULL,
    iteration   INTEGER NOT NULL,
    against     INTEGER,
    judge_hash  TEXT NOT NULL,
    judgement   INTEGER NOT NULL REFERENCES judgements (id),
    kind        TEXT NOT NULL
        CHECK (kind IN ('first', 'keep', 'revert', 'more_seeds', 'leaning_keep', 'leaning_revert')),
    detail      TEXT NOT NULL,
    FOREIGN KEY (session_id, iteration) REFERENCES iterations (session_id, n),
    FOREIGN KEY (session_id, against) REFERENCES iterations (session_id, n)
) STRICT;
CREATE INDEX decisions_by_iteration ON decisions (session_id, iteration);
CREATE INDEX decisions_by_judge ON decisions (session_id, judge_hash, judgement);
CREATE INDEX decisions_kept ON decisions (session_id, judge_hash, id) WHERE kind IN ('first', 'keep', 'leaning_keep');
CREATE INDEX judgements_by_session ON judgements (session_id, judge_hash);
CREATE INDEX judgements_scored ON judgements (session_id, id) WHERE iteration IS NOT NULL AND overall_raw IS NOT NULL;
-- For those who look from the other side: removing a row asks who refers to it.
CREATE INDEX judgements_by_run ON judgements (prompt_id);
CREATE INDEX decisions_by_judgement ON decisions (judgement);
CREATE INDEX iterations_by_parent ON iterations (session_id, parent);

-- What the guard refused before there was anything to judge; the refused text itself is not kept.
CREATE TABLE refusals (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER NOT NULL,
    session_id TEXT REFERENCES sessions (id),
    reason     TEXT NOT NULL
) STRICT;
CREATE INDEX refusals_by_session ON refusals (session_id);

-- Kept by triggers, because looking it up would read every row of a session.
ALTER TABLE sessions ADD COLUMN last_activity INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET last_activity = max(created_at,
    coalesce((SELECT max(created_at) FROM iterations WHERE session_id = sessions.id), 0),
    coalesce((SELECT max(max(prepared_at, coalesce(finished_at, 0))) FROM runs WHERE session_id = sessions.id), 0),
    coalesce((SELECT max(created_at) FROM judgements WHERE session_id = sessions.id), 0));
CREATE TRIGGER session_opened AFTER INSERT ON sessions BEGIN
    UPDATE sessions SET last_activity = max(last_activity, new.created_at) WHERE id = new.id;
END;
CREATE TRIGGER iteration_added AFTER INSERT ON iterations BEGIN
    UPDATE sessions SET last_activity = max(last_activity, new.created_at) WHERE id = new.session_id;
END;
CREATE TRIGGER run_added AFTER INSERT ON runs BEGIN
    UPDATE sessions SET last_activity = max(last_activity, new.prepared_at) WHERE id = new.session_id;
END;
CREATE TRIGGER run_ended AFTER UPDATE OF finished_at ON runs WHEN new.finished_at IS NOT NULL BEGIN
    UPDATE sessions SET last_activity = max(last_activity, new.finished_at) WHERE id = new.session_id;
END;
CREATE TRIGGER judgement_added AFTER INSERT ON judgements WHEN new.session_id IS NOT NULL BEGIN
    UPDATE sessions SET last_activity = max(last_activity, new.created_at) WHERE id = new.session_id;
END;
";

const V3: &str = "
-- Whether a picture may be shown is asked for each that is read; hardly any was ever refused.
CREATE INDEX judgements_refused_image ON judgements (image_hash) WHERE json_extract(verdict, '$.refused') IS NOT NULL;
CREATE INDEX judgements_refused_reference ON judgements (reference_hash) WHERE json_extract(verdict, '$.refused') IS NOT NULL;
";

/// Direct comparisons as rows, a table for what is known of a judge itself, and the kinds of decisions by their present names.
///
/// The two hashes are those under which earlier versions kept the self-check (among the scales) and the fit (among the
/// reference values): SHA-256 of "the judge's self-check" and of "the judge's fit". No picture has them.
const V4: &str = "
-- Which of two pictures of one seed is closer to the reference, asked of the judge directly. Asked once: the first answer stays.
CREATE TABLE comparisons (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at     INTEGER NOT NULL,
    session_id     TEXT NOT NULL,
    candidate      INTEGER NOT NULL,
    incumbent      INTEGER NOT NULL,
    seed           TEXT NOT NULL,
    judge_hash     TEXT NOT NULL,
    candidate_hash TEXT NOT NULL,
    incumbent_hash TEXT NOT NULL,
    value          TEXT NOT NULL,
    UNIQUE (session_id, judge_hash, candidate, incumbent, seed),
    FOREIGN KEY (session_id, candidate) REFERENCES iterations (session_id, n),
    FOREIGN KEY (session_id, incumbent) REFERENCES iterations (session_id, n)
) STRICT;
-- For those who look from the other side: removing an iteration asks who refers to it.
CREATE INDEX comparisons_by_candidate ON comparisons (session_id, candidate);
CREATE INDEX comparisons_by_incumbent ON comparisons (session_id, incumbent);

-- What is known of a judge whatever the reference: of a kind the newest row is in force.
CREATE TABLE judge_state (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at  INTEGER NOT NULL,
    judge_hash  TEXT NOT NULL,
    rubric_hash TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('self_check', 'fit')),
    value       TEXT NOT NULL
) STRICT;
CREATE INDEX judge_state_by_key ON judge_state (judge_hash, rubric_hash, kind);
INSERT INTO judge_state (created_at, judge_hash, rubric_hash, kind, value)
    SELECT created_at, judge_hash, rubric_hash, 'self_check', value FROM scales
    WHERE reference_hash = '396c820c30174386572c4a8c98c5ab82081d3a9b8b4ab51fb259ed9353e44765' ORDER BY created_at;
DELETE FROM scales WHERE reference_hash = '396c820c30174386572c4a8c98c5ab82081d3a9b8b4ab51fb259ed9353e44765';
INSERT INTO judge_state (created_at, judge_hash, rubric_hash, kind, value)
    SELECT created_at, judge_hash, rubric_hash, 'fit', value FROM reference_values
    WHERE reference_hash = 'c5841e77249e191843ea1b250536d8f592a0bf60e1d236dcd0d1d217400e8df1' ORDER BY id;
DELETE FROM reference_values WHERE reference_hash = 'c5841e77249e191843ea1b250536d8f592a0bf60e1d236dcd0d1d217400e8df1';

CREATE TABLE decisions_4 (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at  INTEGER NOT NULL,
    session_id  TEXT NOT NULL,
    iteration   INTEGER NOT NULL,
    against     INTEGER,
    judge_hash  TEXT NOT NULL,
    judgement   INTEGER NOT NULL REFERENCES judgements (id),
    kind        TEXT NOT NULL
        CHECK (kind IN ('first', 'keep', 'revert', 'more_seeds', 'tentative_keep', 'tentative_revert')),
    detail      TEXT NOT NULL,
    FOREIGN KEY (session_id, iteration) REFERENCES iterations (session_id, n),
    FOREIGN KEY (session_id, against) REFERENCES iterations (session_id, n)
) STRICT;
INSERT INTO decisions_4 SELECT id, created_at, session_id, iteration, against, judge_hash, judgement,
    CASE kind WHEN 'leaning_keep' THEN 'tentative_keep' WHEN 'leaning_revert' THEN 'tentative_revert' ELSE kind END,
    detail FROM decisions ORDER BY id;
DROP TABLE decisions;
ALTER TABLE decisions_4 RENAME TO decisions;
CREATE INDEX decisions_by_iteration ON decisions (session_id, iteration);
CREATE INDEX decisions_by_judge ON decisions (session_id, judge_hash, judgement);
CREATE INDEX decisions_kept ON decisions (session_id, judge_hash, id) WHERE kind IN ('first', 'keep', 'tentative_keep');
-- The newest decision of a session is asked for by each look.
CREATE INDEX decisions_by_session ON decisions (session_id);
CREATE INDEX decisions_by_judgement ON decisions (judgement);

-- A judgement without any score is still one; only what the guard refused is none.
DROP INDEX judgements_scored;
CREATE INDEX judgements_scored ON judgements (session_id, id)
    WHERE iteration IS NOT NULL AND json_extract(verdict, '$.refused') IS NULL;
";

const V5: &str = "
-- The seeds that an iteration is to be run with. A run is written down when its turn comes; until then only this knows of it.
CREATE TABLE asked_seeds (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL,
    iteration  INTEGER NOT NULL,
    seed       TEXT NOT NULL,
    UNIQUE (session_id, iteration, seed),
    FOREIGN KEY (session_id, iteration) REFERENCES iterations (session_id, n)
) STRICT;
";

/// How far a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has every migration and may be used.
    Ready,
    /// It is empty or lacks migrations.
    Behind,
}

/// Looks how far the database is, without writing.
pub(super) fn inspect(connection: &Connection, path: &Path) -> Result<Progress> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
    let version: i64 = number("user_version")?;
    let application: i64 = number("application_id")?;
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let path = path.to_owned();
    if application != APPLICATION_ID {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
        if application != 0 || version != 0 || tables != 0 {
            return Err(HistoryError::Foreign { path });
        }
    }
    if version > VERSION {
        return Err(HistoryError::Newer {
            path,
            found: version,
            known: VERSION,
        });
    }
    if version == VERSION && journal.eq_ignore_ascii_case("wal") {
        Ok(Progress::Ready)
    } else {
        Ok(Progress::Behind)
    }
}

/// Brings the database to [`VERSION`], all in one transaction; only one process may do this at a time.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    // A journal mode cannot be changed within a transaction.
    connection.pragma_update(None, "journal_mode", "wal")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()?;
    Ok(())
}
