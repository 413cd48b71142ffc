use super::{Sample, io, samples};
use history::{HistoryError, RunState, Trouble};
use types::{ImageHash, InvalidId, IterationNo, JudgementId, PromptId, SessionId};

fn invalid() -> InvalidId {
    SessionId::parse("no session").unwrap_err()
}

fn refused(trouble: Trouble) -> HistoryError {
    HistoryError::Database {
        path: "history.db".into(),
        trouble,
        source: rusqlite::Error::InvalidQuery,
    }
}

pub fn samples() -> Vec<Sample> {
    let (run, hash) = (PromptId::random(), ImageHash::of(b"x"));
    // One session for all edges, which are compared with one another.
    let session = SessionId::random();
    let unknown = |count| HistoryError::UnknownIteration {
        session: session.clone(),
        n: IterationNo::FIRST,
        count,
    };
    samples![
        invalid(),
        HistoryError::Folder {
            doing: "make",
            path: "data".into(),
            source: io()
        },
        HistoryError::Folder {
            doing: "make",
            path: "data".into(),
            source: std::io::ErrorKind::StorageFull.into()
        },
        HistoryError::ImportUnreadable {
            session: session.clone(),
            table: "runs",
            reason: "it is damaged".into()
        },
        HistoryError::UnreadableRow {
            path: "history.db".into(),
            session: session.to_string(),
            source: rusqlite::Error::InvalidQuery
        },
        HistoryError::Folder {
            doing: "make",
            path: "data".into(),
            source: std::io::ErrorKind::FileTooLarge.into()
        },
        HistoryError::Gone {
            path: "data/history.sqlite".into()
        },
        refused(Trouble::Locked),
        refused(Trouble::ReadOnly),
        refused(Trouble::Full),
        refused(Trouble::Damaged),
        refused(Trouble::Unopened),
        refused(Trouble::Disk),
        refused(Trouble::BadRow),
        refused(Trouble::Other),
        HistoryError::Newer {
            path: "history.db".into(),
            found: 2,
            known: 1
        },
        HistoryError::Foreign {
            path: "history.db".into()
        },
        HistoryError::SettingUp {
            path: "data".into(),
            waited_s: 1
        },
        HistoryError::UnknownSession(SessionId::random()),
        unknown(0),
        unknown(2),
        HistoryError::UnknownRun(run),
        HistoryError::UnknownJudgement(JudgementId(1)),
        HistoryError::RepeatedRun(run),
        HistoryError::Transition {
            run,
            from: RunState::Finished,
            to: RunState::Failed
        },
        HistoryError::ImageConflict {
            run,
            ordinal: 0,
            recorded: hash
        },
        HistoryError::Value {
            what: "seed",
            value: "x".into(),
            wanted: "a whole number"
        },
        HistoryError::Id(invalid()),
        HistoryError::Json(serde_json::from_str::<u8>("{").unwrap_err()),
        HistoryError::NoImage { length: 0 },
        HistoryError::ImageMissing {
            hash,
            folder: "images".into()
        },
        HistoryError::ImageDamaged {
            hash,
            path: "images/x.png".into()
        },
        HistoryError::Import {
            line: 1,
            reason: "x".into()
        },
        HistoryError::ImportCut { rows: 2, missing: 1 },
        HistoryError::SessionExists(SessionId::random()),
        HistoryError::BrokenOff("x".into()),
    ]
}
