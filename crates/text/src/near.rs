//! Names near a wrong one, for errors that say what might have been meant.

/// Characters of a name that are compared: names are short, and what is not is no name.
const LONGEST: usize = 200;

/// The `count` names closest to `wanted`, best first: those that contain it, then by edit distance.
pub fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>, count: usize) -> Vec<String> {
    let cut = |name: &str| name.to_lowercase().chars().take(LONGEST).collect::<String>();
    let wanted = cut(wanted);
    let mut ranked: Vec<(bool, usize, &str)> = names
        .map(|name| {
            let lower = cut(name);
            let related = !wanted.is_empty() && (lower.contains(&wanted) || wanted.contains(&lower));
            (!related, strsim::levenshtein(&wanted, &lower), name)
        })
        .collect();
    ranked.sort();
    ranked.dedup();
    ranked
        .into_iter()
        .take(count)
        .map(|(_, _, name)| name.to_owned())
        .collect()
}
