//! Logging: to stderr or to a file, never to stdout, which belongs to the protocol.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogLevel};

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
/// so that the last lines before an end say why.
pub fn init_worker() {
    let _ = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_max_level(LevelFilter::ERROR)
        .try_init();
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
    Targets::new()
        .with_default(others)
        .with_target("prompt_calibrator", ours)
}

fn subscriber<W>(level: LogLevel, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Colours would litter a client's log window.
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    registry().with(filter(level)).with(lines)
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
