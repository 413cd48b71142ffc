//! `sessions`: what is in the history, in and out of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tempfile::TempDir;

use super::error::{CliError, Context, Result};
use super::setup::{Reach, service};
use super::show;
use crate::config::Config;
use crate::session::{Best, Overview, OverviewRequest, PAGE, SessionView, records};
use files::regular;
use history::{HistoryError, IterationState, Line, Pruned, Store, Timestamp, Verify, check_whole, rename_images};
use imaging::metadata;
use text::Foreign;
use types::{ImageHash, PictureFormat, SessionId, hint};

/// The file of rows in an exported folder.
const ROWS: &str = "session.jsonl";
/// The folder of pictures in an exported folder.
const IMAGES: &str = "images";
/// Larger pictures are not kept, and so not exported.
const MAX_PICTURE: u64 = 64 << 20;
/// What to do about an export that is not whole.
const AGAIN: &str = "Export it once more with `prompt-calibrator sessions export`.";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// All sessions, the newest first
    List,
    /// One session's iterations, scores and decisions
    Show {
        /// The newest unless given
        session: Option<String>,
    },
    /// Write a session to a folder: JSON lines and its pictures
    Export {
        /// Which one
        session: String,
        /// A folder that is not there yet; named like the session unless given
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Leave out what ComfyUI wrote into the pictures: the workflow
        #[arg(long)]
        strip_metadata: bool,
    },
    /// Put an exported session into this history
    Import {
        /// The folder
        folder: PathBuf,
    },
    /// Remove sessions, and the pictures that no other session uses; shows what would go unless --yes is given
    Prune {
        /// Which ones
        #[arg(required_unless_present = "idle_days")]
        sessions: Vec<String>,
        /// Also those without any activity for so many days
        #[arg(long, value_name = "DAYS")]
        idle_days: Option<u32>,
        /// Really remove them
        #[arg(long)]
        yes: bool,
    },
}

pub async fn run(args: Args, config: Config) -> Result<ExitCode> {
    let store = Store::open(config.data_dir.value.clone());
    match args.what {
        What::List => list(&store).await?,
        What::Show { session } => show_one(&config, &store, session).await?,
        What::Export {
            session,
            to,
            strip_metadata,
        } => {
            let session = SessionId::parse(&session)?;
            let folder = to.unwrap_or_else(|| PathBuf::from(session.to_string()));
            export(&store, &session, &folder, strip_metadata).await?;
        }
        What::Import { folder } => import(&store, &folder).await?,
        What::Prune {
            sessions,
            idle_days,
            yes,
        } => prune(&store, &sessions, idle_days, yes).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The session that is named, or the newest.
pub async fn named(store: &Store, session: Option<String>) -> Result<SessionId> {
    if let Some(session) = session {
        return Ok(SessionId::parse(&session)?);
    }
    let newest = store.sessions(0, 1).await?.into_iter().next();
    let nothing = || {
        CliError::new(
            "there is no session in this history yet",
            "An agent opens one with inject_prompt; --data-dir names another history.",
        )
    };
    Ok(newest.ok_or_else(nothing)?.id)
}

async fn list(store: &Store) -> Result<()> {
    let mut table = show::table([
        "session",
        "title",
        "iterations",
        "judgements",
        "rubric",
        "last worked on",
    ]);
    let mut skip = 0;
    loop {
        let page = store.sessions(skip, PAGE).await?;
        for session in &page {
            table.add_row([
                session.id.to_string(),
                session.title.clone().unwrap_or_default(),
                session.iterations.to_string(),
                session.judgements.to_string(),
                session.rubric_id.clone(),
                minute(session.last_activity),
            ]);
        }
        skip += PAGE;
        if page.len() < PAGE as usize {
            break;
        }
    }
    match table.row_count() {
        0 => show::line("No session yet: an agent opens one with inject_prompt."),
        _ => show::line(&table.to_string()),
    }
    Ok(())
}

/// `2026-03-01 12:34`, in UTC.
fn minute(moment: Timestamp) -> String {
    moment.to_string().get(..16).unwrap_or_default().replace('T', " ")
}

async fn show_one(config: &Config, store: &Store, session: Option<String>) -> Result<()> {
    let session = named(store, session).await?;
    let service = service(config, Reach::Everything)?;
    let mut table = show::table(["", "from", "score", "decision", "note, or the prompt"]);
    let mut views: Vec<SessionView> = Vec::new();
    for page in 0.. {
        let request = OverviewRequest {
            session: Some(session.to_string()),
            page,
            ..OverviewRequest::default()
        };
        match service.overview(request).await? {
            Overview::Session(view) if !view.rows.is_empty() => views.push(*view),
            _ => break,
        }
    }
    let Some(newest) = views.first() else {
        show::line(&format!("Session {session} has no iteration yet."));
        return Ok(());
    };
    let opened = &newest.session.opened;
    show::line(&format!(
        "{session}{}: {}, target {:.2}",
        opened
            .title
            .as_ref()
            .map(|title| format!(", {}", Foreign(title)))
            .unwrap_or_default(),
        newest.used_in_words(),
        opened.target_score
    ));
    for view in views.iter().rev() {
        for row in &view.rows {
            let n = row.n;
            let score = row.scores.iter().find(|s| Some(&s.judge) == view.judge.as_ref());
            let best = view.best.is_some_and(|best| best.n == n);
            table.add_row([
                format!("{n}{}", if best { " *" } else { "" }),
                row.parent.map(|p| p.to_string()).unwrap_or_default(),
                score
                    .and_then(|s| s.overall)
                    .map(|s| format!("{s:.2}"))
                    .unwrap_or_default(),
                match view.decisions.get(&n) {
                    Some(decided) => decided.kind.as_str().replace('_', " "),
                    None => undecided(row.runs.state()).to_owned(),
                },
                row.note.clone().or_else(|| row.positive.clone()).unwrap_or_default(),
            ]);
        }
    }
    show::line(&table.to_string());
    if let Some(Best {
        n,
        overall: Some(score),
    }) = newest.best
    {
        show::line(&format!("* the best: iteration {n}, {score:.2}"));
    }
    for sentence in [&newest.next, &newest.unreadable].into_iter().flatten() {
        show::line(sentence);
    }
    Ok(())
}

/// What to say of an iteration without a decision.
fn undecided(state: IterationState) -> &'static str {
    match state {
        IterationState::Draft => "draft",
        IterationState::Open => "open",
        IterationState::Done => "",
        IterationState::Failed => "failed",
        IterationState::Cancelled => "cancelled",
    }
}

async fn export(store: &Store, session: &SessionId, folder: &Path, strip_metadata: bool) -> Result<()> {
    let (mut lines, images) = store.export_session(session).await?;
    if folder.exists() {
        let failed = format!("{} is there already", folder.display());
        return Err(CliError::new(failed, "Name another folder with --to."));
    }
    // Whole or not at all: one that was broken off is not taken for an export. What is removed then is this call's own.
    let failed = || format!("{} cannot be written", folder.display());
    let partial = beside(folder).with_context(failed)?;
    fs::create_dir(partial.path().join(IMAGES)).with_context(failed)?;
    let mut missing = 0;
    let (mut renamed, mut telling) = (BTreeMap::new(), Telling::default());
    for hash in &images {
        match store.read_image(hash, Verify::Hash).await {
            Ok((stored, bytes)) => {
                let written = match strip_metadata {
                    true => metadata::without_texts(&bytes),
                    false => {
                        telling.look(&bytes);
                        Cow::Borrowed(bytes.as_slice())
                    }
                };
                // A picture is named by its content.
                let now = ImageHash::of(&written);
                let name = format!("{now}.{}", stored.format.extension());
                fs::write(partial.path().join(IMAGES).join(name), &written).with_context(failed)?;
                if now != *hash {
                    renamed.insert(*hash, now);
                }
            }
            Err(error) => {
                show::note(&hint::in_words(&error));
                missing += 1;
            }
        }
    }
    rename_images(&mut lines, &renamed);
    let mut file = BufWriter::new(File::create_new(partial.path().join(ROWS)).with_context(failed)?);
    for line in &lines {
        serde_json::to_writer(&mut file, line)?;
        file.write_all(b"\n").with_context(failed)?;
    }
    file.flush().with_context(failed)?;
    fs::rename(partial.path(), folder).with_context(failed)?;
    // It has its name, so that nothing is left to remove.
    let _ = partial.keep();
    show::line(&format!(
        "{}: {} rows and {} pictures of session {session}{}",
        folder.display(),
        lines.len() - 1,
        images.len() - missing,
        if missing > 0 {
            format!("; {missing} pictures are lost")
        } else {
            String::new()
        }
    ));
    if let Some(told) = telling.in_words() {
        show::note(&told);
    }
    Ok(())
}

/// A new folder beside another one, with a name that nothing has. Dropping it removes it.
fn beside(folder: &Path) -> io::Result<TempDir> {
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".prompt-calibrator-export-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any program makes a folder: what the user's mask leaves of it.
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(parent)
}

/// Pictures that tell secrets.
#[derive(Default)]
struct Telling {
    pictures: usize,
    inputs: BTreeSet<String>,
}

impl Telling {
    fn look(&mut self, picture: &[u8]) {
        let found = metadata::secrets_in(picture);
        self.pictures += usize::from(!found.is_empty());
        self.inputs.extend(found);
    }

    fn in_words(&self) -> Option<String> {
        let inputs: Vec<&str> = self.inputs.iter().map(String::as_str).collect();
        (self.pictures > 0).then(|| {
            format!(
                "ComfyUI wrote its workflow into {} of the pictures, with what looks like a secret ({}): whoever gets the folder can read \
                 it. Export again with --strip-metadata to leave it out. In {ROWS} it is masked.",
                self.pictures,
                inputs.join(", ")
            )
        })
    }
}

async fn import(store: &Store, folder: &Path) -> Result<()> {
    let rows = folder.join(ROWS);
    let file = regular::open(&rows)
        .with_context(|| format!("{} cannot be read: it is no exported session", rows.display()))?;
    let mut lines = Vec::new();
    for (at, text) in BufReader::new(file).lines().enumerate() {
        let text = text.with_context(|| format!("{} cannot be read", rows.display()))?;
        let line = Line::parse(&text).map_err(|reason| {
            let (line, rows) = (at + 1, rows.display());
            let failed = format!("line {line} of {rows} is not understood: {reason}; nothing was imported");
            CliError::new(failed, AGAIN)
        })?;
        lines.push(line);
    }
    check_whole(&lines)?;
    if let Some(Line::Head { session, .. }) = lines.first()
        && store.session(session).await.is_ok()
    {
        return Err(HistoryError::SessionExists(session.clone()).into());
    }
    // Pictures first: a session never names one that is not there. One more picture than rows is no harm.
    let pictures = pictures(folder)?;
    for (hash, path) in &pictures {
        let bytes = regular::read(path, MAX_PICTURE)
            .with_context(|| format!("{} cannot be read; nothing was imported", path.display()))?;
        if ImageHash::of(&bytes) != *hash || PictureFormat::of(&bytes).is_none() {
            let failed = format!(
                "{} has other content than its name says; nothing was imported",
                path.display()
            );
            return Err(CliError::new(failed, AGAIN));
        }
        store.put_image(bytes).await?;
    }
    let rows = lines.len();
    let session = store.import_session(lines, records::check).await?;
    show::line(&format!(
        "Session {session}: {} rows and {} pictures imported.",
        rows - 1,
        pictures.len()
    ));
    Ok(())
}

/// The pictures of an exported folder by the hash that their names say.
fn pictures(folder: &Path) -> Result<Vec<(ImageHash, PathBuf)>> {
    let images = folder.join(IMAGES);
    let failed = || format!("{} cannot be read", images.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&images).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let hash = ImageHash::parse(stem).map_err(|error| {
            let failed = format!("{} is no picture of an export: {error}", path.display());
            CliError::new(failed, "Move it out of that folder, and import again.")
        })?;
        found.push((hash, path));
    }
    Ok(found)
}

async fn prune(store: &Store, named: &[String], idle_days: Option<u32>, yes: bool) -> Result<()> {
    let mut sessions = named
        .iter()
        .map(|id| SessionId::parse(id))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(days) = idle_days {
        let since = Timestamp::now().millis() - i64::from(days) * 86_400_000;
        sessions.extend(store.sessions_idle_since(Timestamp::from_millis(since)).await?);
    }
    sessions.sort();
    sessions.dedup();
    let pruned = match yes {
        true => store.prune(sessions).await?,
        false => store.would_prune(sessions).await?,
    };
    show::line(&told(&pruned, yes));
    Ok(())
}

fn told(pruned: &Pruned, really: bool) -> String {
    let names: Vec<String> = pruned.sessions.iter().map(ToString::to_string).collect();
    let what = format!(
        "{} session(s) ({}) and {} picture(s), {:.1} MB",
        names.len(),
        names.join(", "),
        pruned.images.len(),
        pruned.bytes as f64 / 1e6
    );
    if names.is_empty() && pruned.images.is_empty() && pruned.running.is_empty() {
        return "No session has been idle for so long: nothing to remove.".to_owned();
    }
    let mut text = match really {
        true => format!("Removed: {what}."),
        false => format!("Would remove {what}. Nothing was removed: repeat with --yes to do it."),
    };
    if pruned.young > 0 {
        text.push_str(&format!(
            " {} more are not an hour old and stay for now: prune again later.",
            pruned.young
        ));
    }
    if !pruned.running.is_empty() {
        let names: Vec<String> = pruned.running.iter().map(ToString::to_string).collect();
        text.push_str(&format!(" Runs of {} are not over: these stay.", names.join(", ")));
    }
    text
}
