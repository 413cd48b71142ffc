//! The programs that start this one as a server: where each keeps its servers, in which format, and how an entry of ours
//! gets there.
//!
//! [`merge`] and [`find`] are pure: text in, text out. Files are written by the command `init`.

mod entry;
mod error;
mod json;
mod place;
mod state;
mod toml;

pub use entry::{Entry, NAME, is_a_build, program};
pub use error::{ClientError, Unmergeable};
pub use state::{Standing, State, state};

/// A client's file is no larger; some keep whole conversations in it.
pub(crate) const MOST_BYTES: u64 = 64 << 20;

/// A client whose configuration is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// Anthropic's agent for the terminal.
    ClaudeCode,
    /// Anthropic's desktop application.
    ClaudeDesktop,
    /// The editor.
    Cursor,
    /// The editor, with Copilot.
    VsCode,
    /// OpenAI's agent.
    Codex,
}

/// What becomes of a client's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The entry is there already.
    Same,
    /// There was no entry of this name; the file's new text.
    Added(String),
    /// There was another entry of this name.
    Changed {
        /// The file's new text.
        text: String,
        /// The entry as it was.
        old: String,
        /// The entry as it becomes.
        new: String,
    },
}

/// An entry that is there: what the client starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This program.
    Program(String),
    /// An address, or nothing that can be started.
    Other,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::Cursor,
        Self::VsCode,
        Self::Codex,
    ];

    /// Its name.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::Codex => "Codex",
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Codex => "codex",
        }
    }

    fn format(self) -> Format {
        let json = |servers, typed, plain| Format::Json(json::Dialect { servers, typed, plain });
        match self {
            Self::ClaudeCode | Self::ClaudeDesktop => json("mcpServers", false, true),
            Self::Cursor => json("mcpServers", false, false),
            Self::VsCode => json("servers", true, false),
            Self::Codex => Format::Toml,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Json(json::Dialect),
    Toml,
}

/// Puts an entry into a client's file, of which everything else stays as it is. No file is an empty one.
///
/// # Errors
/// [`Unmergeable`] when the file is not what the client reads.
pub fn merge(client: Client, file: &str, entry: &Entry) -> Result<Merged, Unmergeable> {
    let (mark, text) = mark(file);
    let merged = match client.format() {
        Format::Json(dialect) => json::merge(dialect, text, entry)?,
        Format::Toml => toml::merge(text, entry)?,
    };
    let marked = |text: String| format!("{mark}{text}");
    Ok(match merged {
        Merged::Same => Merged::Same,
        Merged::Added(text) => Merged::Added(marked(text)),
        Merged::Changed { text, old, new } => Merged::Changed {
            text: marked(text),
            old,
            new,
        },
    })
}

/// The entry of ours in a client's file: the one of our name, else one that starts a program of our name.
///
/// # Errors
/// [`Unmergeable`] when the file cannot be read by the client.
pub fn find(client: Client, file: &str) -> Result<Option<Found>, Unmergeable> {
    let (_, text) = mark(file);
    match client.format() {
        Format::Json(dialect) => json::find(dialect, text),
        Format::Toml => toml::find(text),
    }
}

/// A file that holds nothing but the entry, as it is shown.
#[must_use]
pub fn alone(client: Client, entry: &Entry) -> String {
    match merge(client, "", entry) {
        Ok(Merged::Added(text)) => text,
        // An empty file has no entry and no mistakes.
        _ => String::new(),
    }
}

/// A byte order mark, which some editors on Windows write, and the text behind it.
fn mark(file: &str) -> (&str, &str) {
    let text = file.strip_prefix('\u{feff}').unwrap_or(file);
    file.split_at(file.len() - text.len())
}

#[cfg(test)]
mod tests;
