//! The surroundings of the process: the one place where they are read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What every variable of ours begins with.
pub const PREFIX: &str = "PROMPT_CALIBRATOR_";

/// The variables of Hugging Face's own programs, and of proxies, that count for [`super::hub_settings`]; the address first.
pub(super) const HUB_VARIABLES: &[&str] = &[
    "HF_ENDPOINT",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "XDG_CACHE_HOME",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The file of certificates to trust, as the TLS library and OpenSSL name it.
pub(super) const CERTIFICATES: &str = "SSL_CERT_FILE";

/// What OpenMP's libraries read: how their threads wait for one another. Who sets one knows better than we do.
pub(super) const WAITING_VARIABLES: &[&str] = &["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"];

/// The surroundings, as far as they matter. Tests make their own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The variables that begin with [`PREFIX`], those of the hub that models come from, of OpenMP and of TLS, by their full
    /// names. Empty ones count as absent.
    pub vars: BTreeMap<String, OsString>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The platform's folder for this program's data.
    pub data_dir: Option<PathBuf>,
    /// The platform's folder for this program's configuration.
    pub config_dir: Option<PathBuf>,
    /// The working folder, from which relative paths are taken.
    pub cwd: PathBuf,
    /// What else is on this machine.
    pub machine: Machine,
}

/// What lies around this program, for the entries of clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// This program's file.
    pub program: Option<PathBuf>,
    /// The name or path by which it was started.
    pub started_as: Option<PathBuf>,
    /// Where programs are looked for (`PATH`).
    pub search_path: OsString,
    /// The folder in which programs keep their settings: `~/.config` and its like.
    pub settings_dir: Option<PathBuf>,
    /// The folder in which programs keep what stays on this machine: `~/.local/share` and its like.
    pub local_dir: Option<PathBuf>,
    /// Where Codex keeps its settings, if somebody says so (`CODEX_HOME`).
    pub codex_home: Option<PathBuf>,
    /// Whether this is a Linux within Windows.
    pub wsl: bool,
}

impl fmt::Debug for Environment {
    /// Names of variables, never their values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("vars", &self.vars.keys().collect::<Vec<_>>())
            .field("home", &self.home)
            .field("data_dir", &self.data_dir)
            .field("config_dir", &self.config_dir)
            .field("cwd", &self.cwd)
            .field("machine", &self.machine)
            .finish()
    }
}

impl Environment {
    /// Reads the surroundings of this process.
    pub fn from_process() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| {
                name.starts_with(PREFIX)
                    || name == CERTIFICATES
                    || HUB_VARIABLES.contains(&name.as_str())
                    || WAITING_VARIABLES.contains(&name.as_str())
            })
            .collect();
        let project = directories::ProjectDirs::from("", "", "prompt-calibrator");
        Self {
            vars,
            home: directories::BaseDirs::new().map(|base| base.home_dir().to_owned()),
            // Local, not roaming: pictures must not travel with a Windows profile.
            data_dir: project.as_ref().map(|project| project.data_local_dir().to_owned()),
            config_dir: project.map(|project| project.config_dir().to_owned()),
            // A working folder that was deleted matters only for relative paths, which then are not found.
            cwd: std::env::current_dir().unwrap_or_default(),
            machine: Machine::from_process(),
        }
    }

    /// A variable that is set and not empty. `name` is without the prefix.
    pub(super) fn var(&self, name: &str) -> Option<(String, &OsString)> {
        let full = format!("{PREFIX}{name}");
        let value = self.vars.get(&full).filter(|value| !value.is_empty())?;
        Some((full, value))
    }
}

impl Machine {
    fn from_process() -> Self {
        let base = directories::BaseDirs::new();
        let kernel = std::fs::read_to_string("/proc/version").unwrap_or_default();
        Self {
            program: std::env::current_exe().ok(),
            started_as: std::env::args_os().next().map(PathBuf::from),
            search_path: std::env::var_os("PATH").unwrap_or_default(),
            settings_dir: base.as_ref().map(|base| base.config_dir().to_owned()),
            local_dir: base.map(|base| base.data_local_dir().to_owned()),
            codex_home: std::env::var_os("CODEX_HOME")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from),
            wsl: kernel.to_ascii_lowercase().contains("microsoft"),
        }
    }
}
