//! One file: from TOML to checked parts. What it extends is not looked at here.

use serde::Deserialize;
use toml::Spanned;

use super::{MAX_DEFINITION, MAX_WEIGHT, Place, RubricError, RubricProblem};
use types::names::check_name;
use types::{AxisId, Group};

const MAX_BYTES: usize = 256 * 1024;
const MAX_TITLE: usize = 120;
const MAX_DESCRIPTION: usize = 1000;

/// Pieces of Qwen's chat template; in a definition they would end the system prompt.
const MARKERS: [&str; 6] = ["<|", "|>", "<think", "</think", "<tool", "</tool"];

/// A rubric file whose own values are checked, before anything is merged.
pub(super) struct Parsed {
    pub id: String,
    pub title: String,
    pub description: String,
    pub explicit: Option<Spanned<bool>>,
    pub extends: Vec<Spanned<String>>,
    pub drop: Vec<Spanned<String>>,
    pub axes: Vec<ParsedAxis>,
}

/// An axis as written: what is absent is inherited.
pub(super) struct ParsedAxis {
    pub id: AxisId,
    pub group: Option<Group>,
    pub definition: Option<String>,
    pub weight: Option<f64>,
    /// Byte offset of its id, for errors that show only after merging.
    pub offset: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRubric {
    id: Spanned<String>,
    title: Spanned<String>,
    #[serde(default)]
    description: Option<Spanned<String>>,
    #[serde(default)]
    explicit: Option<Spanned<bool>>,
    #[serde(default)]
    extends: Option<Spanned<OneOrMany>>,
    #[serde(default)]
    drop: Vec<Spanned<String>>,
    #[serde(default)]
    axis: Vec<RawAxis>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "extends is a name or a list of names")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAxis {
    id: Spanned<String>,
    group: Option<Spanned<String>>,
    definition: Option<Spanned<String>>,
    weight: Option<Spanned<f64>>,
}

/// Reads and checks one text.
pub(super) fn parse_one(text: &str, origin: &str) -> Result<Parsed, RubricError> {
    let at = Locator { text, origin };
    if text.len() > MAX_BYTES {
        let problem = RubricProblem::TooLarge {
            bytes: text.len(),
            limit: MAX_BYTES,
        };
        return Err(at.error(0, problem));
    }
    let raw: RawRubric = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        at.error(offset, RubricProblem::Syntax(error.message().to_owned()))
    })?;
    check_name(raw.id.get_ref()).map_err(|error| at.error(raw.id.span().start, error.into()))?;
    let title = at.line(&raw.title, "title", MAX_TITLE)?;
    let description = match &raw.description {
        Some(description) => at.text(description, "description", MAX_DESCRIPTION)?,
        None => String::new(),
    };
    let mut axes: Vec<ParsedAxis> = Vec::with_capacity(raw.axis.len());
    for axis in &raw.axis {
        let axis = at.axis(axis)?;
        if axes.iter().any(|other| other.id == axis.id) {
            let id = axis.id.to_string();
            return Err(at.error(axis.offset, RubricProblem::DuplicateAxis { id }));
        }
        axes.push(axis);
    }
    let extends = raw.extends.map(|extends| {
        let span = extends.span();
        let names = match extends.into_inner() {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        };
        names.into_iter().map(|name| Spanned::new(span.clone(), name)).collect()
    });
    Ok(Parsed {
        id: raw.id.into_inner(),
        title,
        description,
        explicit: raw.explicit,
        extends: extends.unwrap_or_default(),
        drop: raw.drop,
        axes,
    })
}

/// Turns byte offsets of a text into errors with a place.
#[derive(Clone, Copy)]
pub(super) struct Locator<'a> {
    pub text: &'a str,
    pub origin: &'a str,
}

impl Locator<'_> {
    pub fn error(&self, offset: usize, problem: RubricProblem) -> RubricError {
        RubricError {
            place: Some(Place::of(self.origin, self.text, offset)),
            problem,
        }
    }

    fn axis(&self, raw: &RawAxis) -> Result<ParsedAxis, RubricError> {
        let offset = raw.id.span().start;
        let id = AxisId::new(raw.id.get_ref().as_str()).map_err(|error| self.error(offset, error.into()))?;
        let group = match &raw.group {
            Some(group) => Some(
                Group::new(group.get_ref().as_str()).map_err(|error| self.error(group.span().start, error.into()))?,
            ),
            None => None,
        };
        let definition = match &raw.definition {
            Some(definition) => Some(self.line(definition, "definition", MAX_DEFINITION)?),
            None => None,
        };
        let weight = match &raw.weight {
            Some(weight) => Some(self.weight(weight, &id)?),
            None => None,
        };
        Ok(ParsedAxis {
            id,
            group,
            definition,
            weight,
            offset,
        })
    }

    fn weight(&self, weight: &Spanned<f64>, id: &AxisId) -> Result<f64, RubricError> {
        let value = *weight.get_ref();
        // Written so that NaN fails as well.
        if value > 0.0 && value <= MAX_WEIGHT {
            return Ok(value);
        }
        let problem = RubricProblem::BadWeight {
            id: id.to_string(),
            weight: value.to_string(),
        };
        Err(self.error(weight.span().start, problem))
    }

    /// A text that must not be empty and stands on one line.
    fn line(&self, value: &Spanned<String>, what: &'static str, limit: usize) -> Result<String, RubricError> {
        let start = value.span().start;
        let text = self.text(value, what, limit)?;
        // Of any width: what looks empty says nothing.
        if text.trim().is_empty() {
            return Err(self.error(start, RubricProblem::EmptyText { what }));
        }
        match text.contains('\n') {
            true => Err(self.error(start, RubricProblem::ControlCharacter { what, code: 0x0a })),
            false => Ok(text),
        }
    }

    /// A text, trimmed; line breaks are allowed.
    fn text(&self, value: &Spanned<String>, what: &'static str, limit: usize) -> Result<String, RubricError> {
        let start = value.span().start;
        let text = value.get_ref().trim_matches(' ');
        let chars = text.chars().count();
        if chars > limit {
            return Err(self.error(start, RubricProblem::TooLong { what, chars, limit }));
        }
        if let Some(bad) = text.chars().find(|&c| c != '\n' && is_hidden(c)) {
            let code = u32::from(bad);
            return Err(self.error(start, RubricProblem::ControlCharacter { what, code }));
        }
        if let Some(marker) = MARKERS.into_iter().find(|marker| text.contains(marker)) {
            return Err(self.error(start, RubricProblem::TemplateMarker { what, marker }));
        }
        Ok(text.to_owned())
    }
}

/// Control characters, and characters that change a text without being seen: zero widths,
/// directional overrides, tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}
