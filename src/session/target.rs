//! Correcting by hand what the judge saw in a reference.

use std::collections::BTreeMap;

use super::ServiceError;
use judge::protocol::NOT_VISIBLE;
use judge::rubric::Rubric;
use types::AxisId;

/// Most characters of what is written by hand about an axis of the reference.
const MAX_TARGET: usize = 120;

/// What is to be written by hand about the reference, checked against the rubric; nothing for an axis that is to count as not
/// visible. `with_picture` says whether a picture is to be judged in the same call, which is refused.
pub(super) fn edits(
    given: &BTreeMap<String, String>,
    rubric: &Rubric,
    with_picture: bool,
) -> Result<BTreeMap<AxisId, Option<String>>, ServiceError> {
    if with_picture {
        return Err(ServiceError::usage(
            "`reference_values` was given together with a picture to judge; nothing was changed",
            "Edit the reference values first, with the reference or the session alone; then judge.",
        ));
    }
    let mut edits = BTreeMap::new();
    for (name, words) in given {
        let Some(axis) = rubric.axes.iter().find(|axis| axis.id.as_str() == name) else {
            let ids: Vec<&str> = rubric.axes.iter().map(|axis| axis.id.as_str()).collect();
            return Err(ServiceError::usage(
                format!("the rubric {} has no axis \"{name}\"; nothing was changed", rubric.id),
                format!("Its axes are {}.", ids.join(", ")),
            ));
        };
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.chars().count() > MAX_TARGET {
            return Err(ServiceError::usage(
                format!("what was given for \"{name}\" has more than {MAX_TARGET} characters; nothing was changed"),
                "Say it in a few words, as the judge would.",
            ));
        }
        if safety::applies(rubric.explicit, Some(words.as_str())) {
            safety::check_text(&words)?;
        }
        let hidden = words.is_empty() || words == NOT_VISIBLE;
        edits.insert(axis.id.clone(), (!hidden).then_some(words));
    }
    Ok(edits)
}
