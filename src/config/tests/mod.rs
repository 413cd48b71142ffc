//! The layers and the checks.

mod roots;

use std::fs;

use clap::Parser;
use types::Secret;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    Serve,
}

/// Surroundings in a temporary folder with `home`, `data`, `config` and `cwd`; only `data` is not there yet.
struct Place {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // On some systems the temporary folder is itself a link.
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        for name in ["home", "config", "cwd"] {
            fs::create_dir(at(name)).unwrap();
        }
        let environment = Environment {
            vars: Default::default(),
            home: Some(at("home")),
            data_dir: Some(at("data")),
            config_dir: Some(at("config")),
            cwd: at("cwd"),
            ..Environment::default()
        };
        Self { folder, environment }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.environment.vars.insert(format!("{PREFIX}{name}"), value.into());
        self
    }

    fn file(self, text: &str) -> Self {
        fs::write(self.at("config/config.toml"), text).unwrap();
        self
    }

    fn resolve(&self, flags: &[&str]) -> Result<Config, ConfigError> {
        let cli = Cli::try_parse_from([&["prompt-calibrator"], flags].concat()).unwrap();
        Config::resolve(cli.settings, &self.environment)
    }

    fn refuse(&self, flags: &[&str]) -> String {
        let error = self.resolve(flags).unwrap_err();
        assert!(!error.hint().is_empty());
        error.to_string()
    }
}

#[test]
fn defaults_need_nothing() {
    let place = Place::new();
    let config = place.resolve(&[]).unwrap();
    assert_eq!(config.comfyui.value.as_str(), "http://127.0.0.1:8188/");
    assert_eq!(config.comfyui.source, Source::Default);
    assert_eq!(config.data_dir.value, place.at("data"));
    assert_eq!(config.log.value, LogLevel::Info);
    assert_eq!(config.comfyui_auth, ComfyuiAuth::None);
    assert!(config.model.is_none() && config.image_tokens.is_none() && config.evidence.is_none());
    assert!(config.file.is_none() && config.warnings.is_empty());
    assert!(!place.at("data").exists(), "resolving makes nothing");
}

#[test]
fn the_file_of_certificates_is_that_of_the_environment() {
    let mut place = Place::new();
    assert_eq!(place.resolve(&[]).unwrap().certificates, None);
    place.environment.vars.insert("SSL_CERT_FILE".into(), "own.pem".into());
    let config = place.resolve(&[]).unwrap();
    assert_eq!(config.certificates, Some("own.pem".into()));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

/// Who tells OpenMP how to wait is not overruled.
#[test]
fn variables_of_openmp_are_noticed() {
    assert!(!Place::new().resolve(&[]).unwrap().waiting_is_set);
    for (name, value, set) in [
        ("OMP_WAIT_POLICY", "active", true),
        ("GOMP_SPINCOUNT", "infinite", true),
        ("GOMP_SPINCOUNT", "", false),
    ] {
        let mut place = Place::new();
        place.environment.vars.insert(name.into(), value.into());
        let config = place.resolve(&[]).unwrap();
        assert_eq!(config.waiting_is_set, set, "{name}={value}");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

#[test]
fn flags_outweigh_variables_outweigh_the_file() {
    let place = Place::new()
        .file("comfyui = 'http://file:1'\nthreads = 1\nimage-tokens = 100\nlog = 'warn'")
        .var("COMFYUI", "http://variable:2/")
        .var("THREADS", "2");
    let config = place.resolve(&["--comfyui", "http://flag:3/base"]).unwrap();
    let file = Source::File(place.at("config/config.toml"));
    assert_eq!(config.comfyui.value.as_str(), "http://flag:3/base/");
    assert_eq!(config.comfyui.source, Source::Flag("comfyui"));
    let threads = config.threads.as_ref().unwrap();
    let variable = Source::Environment("PROMPT_CALIBRATOR_THREADS".into());
    assert_eq!((threads.value, &threads.source), (2, &variable));
    let tokens = config.image_tokens.as_ref().unwrap();
    assert_eq!((tokens.value, &tokens.source), (100, &file));
    assert_eq!((config.log.value, &config.log.source), (LogLevel::Warn, &file));

    let lines: Vec<_> = config
        .explain()
        .into_iter()
        .map(|line| format!("{} = {} from {}", line.setting, line.value, line.source))
        .collect();
    for line in [
        "comfyui = http://flag:3/base/ from the flag --comfyui".to_owned(),
        "threads = 2 from the variable PROMPT_CALIBRATOR_THREADS".to_owned(),
        format!("log = warn from {file}"),
    ] {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
}

#[test]
fn every_flag_has_its_variable_and_its_key() {
    let as_flags: &[&str] = &[
        "--comfyui",
        "https://gpu.local",
        "--model",
        "/m/judge.gguf",
        "--mmproj",
        "/m/eyes.gguf",
        "--data-dir",
        "/d",
        "--rubric",
        "look",
        "--image-tokens",
        "4096",
        "--evidence",
        "values",
        "--threads",
        "8",
        "--gpu-layers",
        "99",
        "--log",
        "DEBUG",
        "--log-file",
        "/l/log",
        "serve",
    ];
    let mut variables = Place::new();
    let mut keys = String::new();
    for pair in as_flags[..as_flags.len() - 1].chunks(2) {
        let name = pair[0].trim_start_matches('-');
        let variable = name.replace('-', "_").to_uppercase();
        variables = variables.var(&variable, pair[1]);
        let value = match pair[1].parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => format!("{:?}", pair[1]),
        };
        keys += &format!("{name} = {value}\n");
    }
    let values = |config: &Config| {
        let lines = config.explain().into_iter();
        lines.map(|l| (l.setting, l.value)).collect::<Vec<_>>()
    };
    let by_flags = values(&Place::new().resolve(as_flags).unwrap());
    assert_eq!(by_flags.len(), 11, "{by_flags:?}");
    let by_variables = variables.resolve(&[]).unwrap();
    assert_eq!(values(&by_variables), by_flags);
    assert_eq!(by_variables.warnings, [""; 0]);
    let by_keys = Place::new().file(&keys).resolve(&[]).unwrap();
    assert_eq!(values(&by_keys), by_flags);
}

#[test]
fn the_file_is_strict_and_points_at_the_line() {
    let message = Place::new().file("log = 'info'\nimage_tokens = 4\n").refuse(&[]);
    assert!(
        message.contains("line 2") && message.contains("image_tokens") && message.contains("config.toml"),
        "{message}"
    );
    let message = Place::new().file("\n\nthreads = 'many'\n").refuse(&[]);
    assert!(message.contains("line 3"), "{message}");
    let message = Place::new().refuse(&["--config", "absent.toml"]);
    assert!(message.contains("absent.toml"), "{message}");
    let place = Place::new();
    fs::write(place.at("cwd/other.toml"), "threads = 3").unwrap();
    for config in [
        place.resolve(&["--config", "other.toml"]).unwrap(),
        place.var("CONFIG", "other.toml").resolve(&[]).unwrap(),
    ] {
        assert_eq!(config.threads.unwrap().value, 3);
        assert!(config.file.unwrap().ends_with("cwd/other.toml"));
    }
}

#[test]
fn wrong_values_are_named_with_their_source() {
    for (place, flags, wanted) in [
        (
            Place::new().file("image-tokens = 15"),
            &[][..],
            ["image-tokens is \"15\"", "config.toml", "16 to 4096"],
        ),
        (
            Place::new().var("THREADS", "0"),
            &[],
            ["threads", "PROMPT_CALIBRATOR_THREADS", "1 to 1024"],
        ),
        (
            Place::new(),
            &["--evidence", "sometimes"],
            ["evidence", "--evidence", "none, values"],
        ),
        (Place::new(), &["--log", "loud"], ["log", "--log", "off, error"]),
        (
            Place::new(),
            &["--comfyui", "127.0.0.1:8188"],
            ["comfyui", "--comfyui", "http://"],
        ),
        (
            Place::new(),
            &["--root", "absent"],
            ["absent", "--root", "a folder that exists"],
        ),
    ] {
        let message = place.refuse(flags);
        for part in wanted {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
    let mut nowhere = Place::new();
    nowhere.environment.data_dir = None;
    let error = nowhere.resolve(&[]).unwrap_err();
    assert!(error.hint().contains("--data-dir"), "{}", error.hint());
}

#[test]
fn mistyped_variables_are_told() {
    let config = Place::new().var("MODELL", "x").resolve(&[]).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].contains("PROMPT_CALIBRATOR_MODELL"));
    let empty = Place::new().var("THREADS", "").resolve(&[]).unwrap();
    assert_eq!(empty.threads, None, "empty is unset");
}

#[test]
fn secrets_are_read_and_never_shown() {
    let place = Place::new()
        .var("COMFYUI_USER", "ada-l")
        .var("COMFYUI_PASSWORD", "pa ss-w0rd")
        .var("HTTP_TOKEN", "t0ken-xyz");
    let config = place.resolve(&[]).unwrap();
    let ComfyuiAuth::Basic { user, password } = &config.comfyui_auth else {
        panic!("{:?}", config.comfyui_auth)
    };
    assert_eq!((user.expose(), password.expose()), ("ada-l", "pa ss-w0rd"));
    assert_eq!(config.http_token.as_ref().unwrap().expose(), "t0ken-xyz");
    let shown = format!("{config:?} {:?} {:?}", config.explain(), place.environment);
    for secret in ["ada-l", "pa ss-w0rd", "t0ken-xyz"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("PROMPT_CALIBRATOR_HTTP_TOKEN"));
    assert_eq!(config.warnings, [""; 0]);

    let token = Place::new().var("COMFYUI_TOKEN", "abc").resolve(&[]).unwrap();
    assert_eq!(token.comfyui_auth, ComfyuiAuth::Token(Secret::new("abc")));
    let message = Place::new().var("HTTP_TOKEN", "two words").refuse(&[]);
    assert!(!message.contains("two words"), "{message}");
    for unclear in [
        Place::new().var("COMFYUI_USER", "ada"),
        Place::new().var("COMFYUI_PASSWORD", "x"),
        Place::new().var("COMFYUI_TOKEN", "x").var("COMFYUI_USER", "ada"),
    ] {
        assert!(unclear.refuse(&[]).contains("not clear"));
    }
    for address in ["http://ada:geheim@host", "http://ada:geheim@ho st:99999"] {
        let message = Place::new().refuse(&["--comfyui", address]);
        assert!(!message.contains("geheim"), "{message}");
    }
    let message = Place::new().file("comfyui-token = 'x'").refuse(&[]);
    assert!(message.contains("unknown field"), "{message}");
}

#[test]
fn paths_are_made_absolute() {
    let place = Place::new().file("model = 'm.gguf'\nlog-file = '~/log'\nrubric = 'mine.toml'");
    let config = place.resolve(&["--mmproj", "eyes.gguf"]).unwrap();
    assert_eq!(config.model.unwrap().value, place.at("config/m.gguf"));
    assert_eq!(config.log_file.unwrap().value, place.at("home/log"));
    assert_eq!(config.mmproj.unwrap().value, place.at("cwd/eyes.gguf"));
    let file = RubricChoice::File(place.at("config/mine.toml"));
    assert_eq!(config.rubric.unwrap().value, file);
    let rubric = |text: &str| place.resolve(&["--rubric", text]).unwrap().rubric.unwrap().value;
    assert_eq!(rubric("look"), RubricChoice::Name("look".into()));
    assert_eq!(rubric("./look"), RubricChoice::File(place.at("cwd/look")));
}

#[test]
fn roots_follow_the_transport_until_they_are_set() {
    let place = Place::new();
    let config = place.resolve(&[]).unwrap();
    let folders = |config: &Config, transport| config.roots(transport).unwrap().folders().to_vec();
    assert_eq!(folders(&config, Transport::Stdio), [place.at("home")]);
    assert_eq!(folders(&config, Transport::Http), [place.at("data")]);
    let both = std::env::join_paths([place.at("cwd"), place.at("home")]).unwrap();
    let place = place.file("root = ['.']").var("ROOT", both.to_str().unwrap());
    let config = place.resolve(&[]).unwrap();
    for transport in [Transport::Stdio, Transport::Http] {
        assert_eq!(folders(&config, transport), [place.at("cwd"), place.at("home")]);
    }
    let config = place.resolve(&["--root", "~", "--root", "../config"]).unwrap();
    let set = folders(&config, Transport::Http);
    assert_eq!(set[0], place.at("home"));
    assert!(set[1].ends_with("cwd/../config"));
    let mut homeless = Place::new();
    homeless.environment.home = None;
    let config = homeless.resolve(&[]).unwrap();
    assert!(config.roots(Transport::Stdio).is_err());
    assert!(config.roots(Transport::Http).is_ok());
}

#[test]
fn flags_may_stand_behind_the_command() {
    let cli = Cli::try_parse_from(["prompt-calibrator", "serve", "--threads", "4"]).unwrap();
    assert!(matches!(cli.command, Some(Command::Serve)));
    assert_eq!(cli.settings.threads.as_deref(), Some("4"));
}

#[test]
fn the_process_has_surroundings() {
    let environment = Environment::from_process();
    assert!(environment.cwd.is_absolute());
    let read = |name: &str| name.starts_with(PREFIX) || name == super::environment::CERTIFICATES;
    assert!(environment.vars.keys().all(|name| read(name)));
}
