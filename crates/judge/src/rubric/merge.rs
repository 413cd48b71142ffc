//! From a file and what it extends to one rubric.

use super::builtin::builtin;
use super::parse::{Locator, Parsed, ParsedAxis, parse_one};
use super::{Axis, MAX_AXES, Rubric, RubricError, RubricProblem};
use safety::{describes_minor, explicit_terms};

const MAX_DEPTH: usize = 8;
/// Texts that are merged for one rubric: a few that extend many each would be millions.
const MAX_PARENTS: usize = 32;

/// What a resolver is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extends<'a> {
    /// The parent as written.
    pub name: &'a str,
    /// The origin of the text that names it, for relative paths.
    pub from: &'a str,
}

/// What a resolver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RubricText {
    /// The TOML text.
    pub text: String,
    /// Its name in errors. Equal origins mean the same file (loops are found by it), so give
    /// canonical paths.
    pub origin: String,
}

impl RubricText {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`RubricProblem::NotText`], with the place of the first byte that is not UTF-8.
    pub fn of(bytes: Vec<u8>, origin: String) -> Result<Self, RubricError> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, origin }),
            Err(error) => {
                let end = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&error.as_bytes()[..end]);
                let at = Locator {
                    text: &text,
                    origin: &origin,
                };
                Err(at.error(end, RubricProblem::NotText))
            }
        }
    }
}

/// How a text was come to.
#[derive(Default)]
struct Trail {
    /// Origins, from the first text to this one.
    chain: Vec<String>,
    /// Parents read so far, in all chains.
    parents: usize,
}

type Resolve<'r> = dyn FnMut(Extends<'_>) -> Result<RubricText, RubricError> + 'r;

pub(super) fn load(text: &str, origin: &str, resolve: &mut Resolve<'_>) -> Result<Rubric, RubricError> {
    let rubric = merged(text, origin, resolve, &mut Trail::default())?;
    // Counted at the end only: a parent may be larger than what is left after dropping.
    let problem = match rubric.axes.len() {
        0 => RubricProblem::NoAxes,
        1..=MAX_AXES => return Ok(rubric),
        count => RubricProblem::TooManyAxes { count },
    };
    Err(Locator { text, origin }.error(0, problem))
}

fn merged(text: &str, origin: &str, resolve: &mut Resolve<'_>, trail: &mut Trail) -> Result<Rubric, RubricError> {
    let at = Locator { text, origin };
    let parsed = parse_one(text, origin)?;
    trail.chain.push(origin.to_owned());
    let mut axes: Vec<Axis> = Vec::new();
    let mut explicit_parent = None;
    for parent in &parsed.extends {
        let (name, offset) = (parent.get_ref().as_str(), parent.span().start);
        trail.parents += 1;
        if trail.parents > MAX_PARENTS {
            return Err(at.error(offset, RubricProblem::TooManyParents { limit: MAX_PARENTS }));
        }
        let found = match builtin(name) {
            Some(found) => found,
            None => resolve(Extends { name, from: origin }).map_err(|error| located(error, at, offset))?,
        };
        if trail.chain.contains(&found.origin) {
            let mut chain = std::mem::take(&mut trail.chain);
            chain.push(found.origin);
            return Err(at.error(offset, RubricProblem::Loop { chain }));
        }
        if trail.chain.len() >= MAX_DEPTH {
            return Err(at.error(offset, RubricProblem::TooDeep { limit: MAX_DEPTH }));
        }
        let inherited = merged(&found.text, &found.origin, resolve, trail)?;
        if inherited.explicit {
            explicit_parent.get_or_insert_with(|| name.to_owned());
        }
        for axis in inherited.axes {
            match axes.iter_mut().find(|known| known.id == axis.id) {
                Some(known) => *known = axis,
                None => axes.push(axis),
            }
        }
    }
    trail.chain.pop();
    drop_axes(&mut axes, &parsed, at)?;
    for axis in &parsed.axes {
        add_axis(&mut axes, axis, at)?;
    }
    let explicit = is_explicit(&parsed, &axes, explicit_parent, at)?;
    if explicit {
        refuse_minors(&axes, &parsed, at)?;
    }
    let Parsed {
        id, title, description, ..
    } = parsed;
    Ok(Rubric {
        id,
        title,
        description,
        explicit,
        axes,
    })
}

/// A resolver that knows no place gets that of the name it could not resolve.
fn located(error: RubricError, at: Locator<'_>, offset: usize) -> RubricError {
    match error.place {
        Some(_) => error,
        None => at.error(offset, error.problem),
    }
}

fn drop_axes(axes: &mut Vec<Axis>, parsed: &Parsed, at: Locator<'_>) -> Result<(), RubricError> {
    for dropped in &parsed.drop {
        let before = axes.len();
        axes.retain(|axis| axis.id.as_str() != dropped.get_ref());
        if axes.len() == before {
            let problem = RubricProblem::UnknownDrop {
                id: dropped.get_ref().clone(),
            };
            return Err(at.error(dropped.span().start, problem));
        }
    }
    Ok(())
}

fn add_axis(axes: &mut Vec<Axis>, own: &ParsedAxis, at: Locator<'_>) -> Result<(), RubricError> {
    if let Some(known) = axes.iter_mut().find(|axis| axis.id == own.id) {
        if let Some(group) = &own.group {
            known.group = Some(group.clone());
        }
        if let Some(definition) = &own.definition {
            known.definition.clone_from(definition);
        }
        known.weight = own.weight.unwrap_or(known.weight);
        return Ok(());
    }
    let Some(definition) = own.definition.clone() else {
        let problem = RubricProblem::NoDefinition { id: own.id.to_string() };
        return Err(at.error(own.offset, problem));
    };
    let (id, group) = (own.id.clone(), own.group.clone());
    axes.push(Axis {
        id,
        group,
        definition,
        weight: own.weight.unwrap_or(1.0),
    });
    Ok(())
}

/// The flag can be set but never talked away: the guard depends on it.
fn is_explicit(parsed: &Parsed, axes: &[Axis], parent: Option<String>, at: Locator<'_>) -> Result<bool, RubricError> {
    let because = parent
        .map(|name| format!("it extends {name}, which is explicit"))
        .or_else(|| {
            let named = axes
                .iter()
                .find(|axis| explicit_terms(axis.id.as_str()) || explicit_terms(&axis.definition));
            named.map(|axis| format!("its axis {} names sexual content", axis.id))
        });
    match (&parsed.explicit, because) {
        (Some(flag), Some(because)) if !flag.get_ref() => {
            Err(at.error(flag.span().start, RubricProblem::NotExplicit { because }))
        }
        (flag, because) => Ok(flag.as_ref().is_some_and(|f| *f.get_ref()) || because.is_some()),
    }
}

fn refuse_minors(axes: &[Axis], parsed: &Parsed, at: Locator<'_>) -> Result<(), RubricError> {
    for axis in axes {
        let found = describes_minor(axis.id.as_str()).or_else(|| describes_minor(&axis.definition));
        if let Some(term) = found {
            let own = parsed.axes.iter().find(|own| own.id == axis.id);
            let id = axis.id.to_string();
            let problem = RubricProblem::DescribesMinor {
                id,
                term: term.to_string(),
            };
            return Err(at.error(own.map_or(0, |own| own.offset), problem));
        }
    }
    Ok(())
}
