//! Where each client keeps its servers.

use std::path::{Path, PathBuf};

use super::Client;
use crate::config::Environment;

impl Client {
    /// The file into which an entry goes: a project's where one is named, else the user's; for those that know no file
    /// of the user's that others may edit, the one of the working folder. None where the system names no folder.
    #[must_use]
    pub fn place(self, environment: &Environment, project: Option<&Path>) -> Option<PathBuf> {
        let project = project.map(|folder| environment.cwd.join(folder));
        let working = || project.clone().unwrap_or_else(|| environment.cwd.clone());
        match (self, &project) {
            (Self::ClaudeCode, _) => Some(working().join(".mcp.json")),
            (Self::VsCode, _) => Some(working().join(".vscode/mcp.json")),
            (Self::Cursor, Some(project)) => Some(project.join(".cursor/mcp.json")),
            (Self::Cursor, None) => Some(environment.home.as_ref()?.join(".cursor/mcp.json")),
            (Self::Codex, Some(project)) => Some(project.join(".codex/config.toml")),
            (Self::Codex, None) => {
                let usual = || environment.home.as_ref().map(|home| home.join(".codex"));
                Some(
                    environment
                        .machine
                        .codex_home
                        .clone()
                        .or_else(usual)?
                        .join("config.toml"),
                )
            }
            // It knows no projects.
            (Self::ClaudeDesktop, _) => {
                let packaged = || environment.machine.local_dir.as_deref().and_then(packaged);
                let usual = || Some(environment.machine.settings_dir.as_ref()?.join("Claude"));
                Some(packaged().or_else(usual)?.join("claude_desktop_config.json"))
            }
        }
    }

    /// The files in which an entry may be, the nearest first.
    pub(super) fn places(self, environment: &Environment) -> Vec<PathBuf> {
        let home = environment.home.as_ref();
        let other = match self {
            // What `claude mcp add` writes; never edited here.
            Self::ClaudeCode => home.map(|home| home.join(".claude.json")),
            Self::VsCode => {
                let settings = environment.machine.settings_dir.as_ref();
                settings.map(|settings| settings.join("Code/User/mcp.json"))
            }
            Self::Cursor | Self::Codex => self.place(environment, None),
            Self::ClaudeDesktop => None,
        };
        let nearest = self.place(environment, Some(&environment.cwd));
        nearest.into_iter().chain(other).collect()
    }

    /// What remains to be done in the client once the entry is there.
    #[must_use]
    pub fn afterwards(self) -> &'static str {
        match self {
            Self::ClaudeCode => {
                "Start `claude` in that folder; it asks once whether this server may be used. /mcp shows it."
            }
            Self::ClaudeDesktop => {
                "Quit Claude Desktop entirely (closing its window is not enough) and start it again."
            }
            Self::Cursor => "Switch it on in Cursor's settings, under MCP, if it is not.",
            Self::VsCode => "Open that folder in VS Code and start it with the command \"MCP: List Servers\".",
            Self::Codex => "Start Codex anew; /mcp shows it. A project's file counts in trusted projects only.",
        }
    }
}

/// Windows keeps the settings of a packaged Claude Desktop, the usual one since 2026, in a folder of its own; what lies in
/// the folder that its documentation names is not read then.
fn packaged(local: &Path) -> Option<PathBuf> {
    let packages = std::fs::read_dir(local.join("Packages")).ok()?;
    let folders = packages.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found = folders
        .filter(|folder| {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("Claude_"))
        })
        .map(|folder| folder.join("LocalCache/Roaming/Claude"))
        .filter(|folder| folder.is_dir());
    found.next()
}
