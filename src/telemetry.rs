//! Logging: to stderr or to a file, never to stdout, which belongs to the protocol.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogLevel};
use text::outgoing;
use text::secrets::masked_by_name;

/// Why there is no logging.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log file cannot be written.
    #[error("cannot write the log file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in this process logs already.
    #[error("logging was set up twice in this process")]
    Twice,
}

impl TelemetryError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } => "Name another file with --log-file, or leave it out to log to stderr.".into(),
            Self::Twice => "This is a bug worth reporting.".into(),
        }
    }
}

types::hints!(TelemetryError);

/// Starts logging for the whole process as configured. Every line is written at once, so there is nothing to hold on to
/// and nothing to lose at a kill.
pub fn init(config: &Config) -> Result<(), TelemetryError> {
    let level = config.log.value;
    let started = match &config.log_file {
        Some(path) => subscriber(level, Mutex::new(open(&path.value)?)).try_init(),
        None => subscriber(level, io::stderr).try_init(),
    };
    started.map_err(|_| TelemetryError::Twice)
}

/// Starts logging in the judge process: plain lines on standard error, which the server reads. Only what went wrong,
/// so that the last lines before an end say why; our own warnings are told apart by their level.
#[cfg(feature = "llama")]
pub fn init_worker() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_filter(
            Targets::new()
                .with_default(LevelFilter::ERROR)
                .with_target("prompt_calibrator", LevelFilter::WARN),
        );
    let buffers = llama::cpp::Listener.with_filter(LevelFilter::INFO);
    let _ = registry().with(lines).with(buffers).try_init();
}

fn open(path: &Path) -> Result<File, TelemetryError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| TelemetryError::File {
        path: path.to_owned(),
        source,
    })
}

/// Libraries are heard from `warn` upwards, and in full only at `trace`: at `debug` their lines would bury ours.
fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let others = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        _ => ours.min(LevelFilter::WARN),
    };
    // The protocol's library warns of every error that a client is told, and of answers that a client no longer waits for.
    let protocol = match level {
        LogLevel::Debug | LogLevel::Trace => others,
        _ => LevelFilter::OFF,
    };
    Targets::new()
        .with_default(others)
        .with_target("rmcp::service", protocol)
        .with_target("prompt_calibrator", ours)
}

fn subscriber<W>(level: LogLevel, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Colours would litter a client's log window.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Outgoing(writer));
    registry().with(filter(level)).with(lines).with(ForClients)
}

/// A line as it may go out. Libraries print what they are given, so that secrets are known by their names only.
fn loggable(line: &str) -> String {
    outgoing(&masked_by_name(line))
}

/// Writes lines as they may go out. Each is written at once, and stays one: what is logged cannot write another below it.
struct Outgoing<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Outgoing<W> {
    type Writer = Outgoing<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Outgoing(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &tracing::Metadata<'_>) -> Self::Writer {
        Outgoing(self.0.make_writer_for(metadata))
    }
}

impl<W: io::Write> io::Write for Outgoing<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let shown = loggable(text.trim_end_matches('\n')).replace('\n', "\\n");
        self.0.write_all(format!("{shown}\n").as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A line of our own log.
#[derive(Debug, Clone)]
pub struct Line {
    /// How grave it is.
    pub level: Level,
    /// The module that says it.
    pub target: &'static str,
    /// The message, and its fields as `name=value`.
    pub text: String,
}

/// Lines that may wait for a slow client.
const WAITING: usize = 256;

static LINES: LazyLock<broadcast::Sender<Line>> = LazyLock::new(|| broadcast::Sender::new(WAITING));

/// The lines of our log from now on, as far as the log's level lets them through.
#[must_use]
pub fn lines() -> broadcast::Receiver<Line> {
    LINES.subscribe()
}

/// Passes our own lines on to whoever listens. Costs nothing where nobody does.
struct ForClients;

impl<S: Subscriber> Layer<S> for ForClients {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        if LINES.receiver_count() == 0 || !metadata.target().starts_with("prompt_calibrator") {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        // It fails only when nobody listens any more.
        let _ = LINES.send(Line {
            level: *metadata.level(),
            target: metadata.target(),
            text: loggable(&(words.message + &words.fields)),
        });
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::config::{Environment, Settings};

    fn log(level: LogLevel) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibrator.log");
        for _ in 0..2 {
            let subscriber = subscriber(level, Mutex::new(open(&path).unwrap()));
            tracing::subscriber::with_default(subscriber, || {
                tracing::debug!(target: "prompt_calibrator::judge", seed = 7, "our detail");
                tracing::info!(target: "hyper", "their detail");
                tracing::warn!(target: "hyper", "their warning");
            });
        }
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn levels_choose_what_is_written() {
        let debug = log(LogLevel::Debug);
        assert_eq!(
            debug.matches("our detail").count(),
            2,
            "appended, not begun anew: {debug}"
        );
        assert!(debug.contains("seed=7") && debug.contains("their warning"));
        assert!(!debug.contains("their detail"));
        assert!(!debug.contains('\u{1b}'), "no colours");
        assert!(log(LogLevel::Trace).contains("their detail"));
        let info = log(LogLevel::Info);
        assert!(!info.contains("our detail") && info.contains("their warning"));
        assert_eq!(log(LogLevel::Error), "");
        assert_eq!(log(LogLevel::Off), "");
    }

    #[test]
    fn a_line_is_one_line_and_says_nothing_that_is_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibrator.log");
        let subscriber = subscriber(LogLevel::Info, Mutex::new(open(&path).unwrap()));
        let said = "it said \u{1b}[31m\nERROR all is lost \u{202e} hf_0123456789abcdefABCD";
        let mut heard = lines();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "prompt_calibrator::comfy", error = %said, "no answer");
        });
        let written = std::fs::read_to_string(path).unwrap();
        assert_eq!(written.lines().count(), 1, "{written}");
        let mut texts = vec![written];
        while let Ok(line) = heard.try_recv() {
            texts.push(line.text);
        }
        let ours: Vec<_> = texts.iter().filter(|text| text.contains("it said")).collect();
        assert_eq!(ours.len(), 2, "in the file, and to clients: {texts:?}");
        for text in ours {
            assert!(
                !text.contains(['\u{1b}', '\u{202e}']) && !text.contains("0123456789"),
                "{text}"
            );
        }
    }

    #[test]
    fn secrets_that_only_their_name_tells_are_not_logged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibrator.log");
        let subscriber = subscriber(LogLevel::Trace, Mutex::new(open(&path).unwrap()));
        let arguments = serde_json::json!({"knobs": {"20.api_key": "correct-horse"}, "positive": "a fox"});
        let body = serde_json::json!({"current_inputs": {"password": ["hunter2pass"]}}).to_string();
        let mut heard = lines();
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "rmcp::service", ?arguments, "received");
            tracing::trace!(target: "prompt_calibrator::comfy", ?arguments, ?body, text = %body, "an answer, password=opensesame");
        });
        let mut texts = vec![std::fs::read_to_string(path).unwrap()];
        while let Ok(line) = heard.try_recv() {
            texts.push(line.text);
        }
        let ours: Vec<_> = texts.iter().filter(|text| text.contains("an answer")).collect();
        assert_eq!(ours.len(), 2, "in the file, and to clients: {texts:?}");
        for text in texts {
            for secret in ["correct-horse", "hunter2pass", "opensesame"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }

    #[test]
    fn a_listener_hears_our_lines_and_nobody_elses() {
        let mut heard = lines();
        log(LogLevel::Debug);
        let mut texts = Vec::new();
        while let Ok(line) = heard.try_recv() {
            texts.push((line.level, line.text));
        }
        assert!(
            texts.contains(&(Level::DEBUG, "our detail seed=7".to_owned())),
            "{texts:?}"
        );
        assert!(!texts.iter().any(|(_, text)| text.contains("their")), "{texts:?}");
    }

    #[test]
    fn a_log_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(&folder.path().join("not/there.log")).unwrap_err();
        assert!(error.to_string().contains("there.log"), "{error}");
        assert!(error.hint().contains("--log-file"));
    }

    fn config() -> Config {
        let environment = Environment {
            data_dir: Some(std::env::temp_dir()),
            ..Environment::default()
        };
        Config::resolve(Settings::default(), &environment).unwrap()
    }

    #[test]
    #[ignore = "not a test: the process that `stdout_stays_clean` starts"]
    fn speaker() {
        init(&config()).unwrap();
        tracing::info!("a line of the log");
        assert!(matches!(init(&config()), Err(TelemetryError::Twice)));
    }

    #[test]
    fn stdout_stays_clean() {
        let module = module_path!().split_once("::").unwrap().1;
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::speaker"), "--ignored"])
            .arg("--nocapture")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stdout}{stderr}");
        assert!(stderr.contains("a line of the log"), "{stderr}");
        assert!(!stdout.contains("a line of the log"), "{stdout}");
    }
}
