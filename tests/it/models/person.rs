//! Somebody with a home of their own, who types commands.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::hub::{Hub, gguf};

pub const LIMIT: Duration = Duration::from_secs(120);

pub const REPO: &str = "Org/Vision-GGUF";
pub const MODEL: &str = "vision-Q4_K_M.gguf";
pub const PROJECTOR: &str = "mmproj-vision-F16.gguf";
/// The model, as it is typed.
pub const NAME: &str = "Org/Vision-GGUF/vision-Q4_K_M.gguf";
/// Eight pieces, the last one shorter.
pub const SIZE: usize = 600_001;

/// A hub with a model and its projector.
pub async fn hub() -> Hub {
    let hub = Hub::new().await.with(REPO, MODEL, gguf(SIZE, 1));
    hub.with(REPO, PROJECTOR, gguf(70_000, 2))
        .with(REPO, "README.md", b"# Vision".to_vec())
}

#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// It went well.
    pub fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It failed with an error and an advice that hold these texts.
    pub fn refused(self, error: &[&str], advice: &str) -> Self {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        let line = |start: &str| {
            let line = self.err.lines().find(|line| line.starts_with(start));
            line.unwrap_or_else(|| panic!("{start}{self:?}")).to_owned()
        };
        for part in error {
            assert!(line("error: ").contains(part), "{part:?} in {self:?}");
        }
        assert!(line("what to do: ").contains(advice), "{advice:?} in {self:?}");
        self
    }
}

pub struct Person {
    pub home: TempDir,
    variables: Vec<(String, String)>,
}

impl Person {
    pub fn new(hub: &Hub) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().canonicalize().unwrap().join(name).display().to_string();
        let variables = [
            ("HOME", at("")),
            ("HF_HOME", at("hf")),
            ("HF_ENDPOINT", hub.url.clone()),
            ("PROMPT_CALIBRATOR_DATA_DIR", at("data")),
            ("PROMPT_CALIBRATOR_CONFIG", at("config.toml")),
            // The discard port: no ComfyUI.
            ("PROMPT_CALIBRATOR_COMFYUI", "http://127.0.0.1:9".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let person = Self { home, variables };
        std::fs::write(person.at("config.toml"), "").unwrap();
        person
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(old, _)| old != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(path)
    }

    /// A repository's folder in the cache.
    pub fn cached(&self, repo: &str) -> PathBuf {
        self.at("hf/hub").join(format!("models--{}", repo.replace('/', "--")))
    }

    /// The names of what lies among a repository's blobs.
    pub fn blobs(&self, repo: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.cached(repo).join("blobs")).into_iter().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn config(&self) -> toml::Table {
        std::fs::read_to_string(self.at("config.toml"))
            .unwrap()
            .parse()
            .unwrap()
    }

    pub fn file(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.as_ref());
        command.args(arguments).env_clear().envs(self.variables.iter().cloned());
        command.current_dir(self.home.path()).kill_on_drop(true);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The program, with `models` and these arguments.
    pub fn starts(&self, arguments: &[&str]) -> Command {
        let arguments = [&["models"], arguments].concat();
        self.command(env!("CARGO_BIN_EXE_prompt-calibrator"), &arguments)
    }

    pub async fn types(&self, arguments: &[&str]) -> Said {
        ends(self.starts(arguments)).await
    }

    /// Makes a model the judge that `pull` did not take for one: the tests' files only begin like models.
    pub async fn uses(&self, name: &str) -> Said {
        self.types(&["use", name]).await.fine()
    }

    pub async fn pulls(&self) -> Said {
        self.types(&["pull", NAME]).await
    }

    pub async fn reads(&self, arguments: &[&str]) -> Value {
        let said = self.types(arguments).await;
        serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
    }
}

pub async fn ends(mut command: Command) -> Said {
    let output = timeout(LIMIT, command.output()).await.expect("it has to end").unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
