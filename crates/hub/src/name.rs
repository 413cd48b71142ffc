//! What a model's name means: repositories, files, their parts, and the projector that belongs to them. No I/O.

use std::fmt;

use super::catalog::Catalog;
use super::error::ModelsError;

/// Parts of a model that are believed; the largest published ones have a few dozen.
const MOST_PARTS: u32 = 999;

/// A repository on the hub: `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoId(String);

impl RepoId {
    /// Reads `owner/name`. None where that is no repository's name, or would be no folder's.
    pub fn parse(text: &str) -> Option<Self> {
        let part = |part: &str| {
            let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            !part.starts_with('.') && !part.is_empty() && part.len() <= 96 && part.bytes().all(fine)
        };
        let (owner, name) = text.split_once('/')?;
        (part(owner) && part(name)).then(|| Self(text.to_owned()))
    }

    /// `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its folder's name in the cache.
    pub fn folder(&self) -> String {
        format!("models--{}", self.0.replace('/', "--"))
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileId {
    /// The repository.
    pub repo: RepoId,
    /// Its path there, with `/`.
    pub file: String,
}

/// What is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The name that it is installed under.
    pub name: String,
    /// The model's first part, or all of it.
    pub model: FileId,
    /// The projector; None where the repository has to be asked.
    pub projector: Option<FileId>,
}

/// Reads a name as it is typed: `8b`, `8b:Q8_0` or `owner/repo/path/file.gguf`; and, where it is given, the projector: a
/// file of that repository (up to one folder deep), or `owner/repo/path/file.gguf`.
///
/// # Errors
/// [`ModelsError`] for names that are none.
pub fn read(name: &str, mmproj: Option<&str>, catalog: &Catalog) -> Result<Wanted, ModelsError> {
    let wanted = if name.contains('/') {
        let model = file_id(name)?;
        let first = parts(&model.file).and_then(|parts| parts.into_iter().next());
        let file = first.unwrap_or(model.file);
        Wanted {
            name: format!("{}/{file}", model.repo),
            model: FileId { file, ..model },
            projector: None,
        }
    } else {
        let (entry, quantisation) = catalog.find(name)?;
        let repo = RepoId::parse(&entry.repository)
            .ok_or_else(|| ModelsError::Catalog(format!("{} is no repository", entry.repository)))?;
        let file = |file: &str| FileId {
            repo: repo.clone(),
            file: file.to_owned(),
        };
        Wanted {
            name: entry.name_of(quantisation),
            model: file(&quantisation.file),
            projector: Some(file(&quantisation.projector)),
        }
    };
    if is_projector(&wanted.model.file) {
        return Err(ModelsError::NoModel(wanted.model.file));
    }
    let Some(mmproj) = mmproj else { return Ok(wanted) };
    let projector = match mmproj.split('/').count() {
        0..=2 => FileId {
            repo: wanted.model.repo.clone(),
            file: gguf(mmproj)?,
        },
        _ => file_id(mmproj)?,
    };
    let projector = Some(projector);
    Ok(Wanted { projector, ..wanted })
}

/// Whether a file is a projector, by its name: they all have `mmproj` in it.
fn is_projector(file: &str) -> bool {
    file.rsplit('/')
        .next()
        .unwrap_or(file)
        .to_lowercase()
        .contains("mmproj")
}

/// `owner/repo/path/file.gguf`, or the address of its page: `https://…/owner/repo/blob/main/path/file.gguf`.
fn file_id(text: &str) -> Result<FileId, ModelsError> {
    let wrong = || ModelsError::BadName(text.to_owned());
    let plain = text.strip_prefix("https://").and_then(|address| {
        let path = address.split_once('/')?.1.split(['?', '#']).next()?;
        let middle = ["/blob/main/", "/resolve/main/"]
            .into_iter()
            .find(|middle| path.contains(middle))?;
        Some(path.replacen(middle, "/", 1))
    });
    let text = plain.as_deref().unwrap_or(text);
    let (at, _) = text.match_indices('/').nth(1).ok_or_else(wrong)?;
    let repo = RepoId::parse(&text[..at]).ok_or_else(wrong)?;
    let file = gguf(&text[at + 1..]).map_err(|_| wrong())?;
    Ok(FileId { repo, file })
}

fn gguf(text: &str) -> Result<String, ModelsError> {
    match is_gguf(text) {
        true => Ok(text.to_owned()),
        false => Err(ModelsError::BadName(text.to_owned())),
    }
}

/// Whether it is the path of a GGUF file that stays below the folder it is put in, on any system.
pub fn is_gguf(path: &str) -> bool {
    is_plain(path) && path.to_ascii_lowercase().ends_with(".gguf")
}

/// Whether a path from outside stays below the folder it is put in, on any system.
pub fn is_plain(path: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.trim_matches(['.', ' ']).len() == part.len() - leading_dot(part)
            && !part.chars().any(|c| c.is_control() || "\\:*?\"<>|".contains(c))
    };
    path.len() <= 512 && path.split('/').all(plain)
}

/// `.hidden` is a name; `.` and `..` are not.
fn leading_dot(part: &str) -> usize {
    usize::from(part.len() > 1 && part.starts_with('.') && !part.starts_with(".."))
}

/// All parts of a model that is split (`…-00002-of-00005.gguf`), in their order; None for one that is not.
pub fn parts(file: &str) -> Option<Vec<String>> {
    let stem = file.get(..file.len().checked_sub(5)?)?;
    let ending = &file[stem.len()..];
    let number = |text: &str| -> Option<u32> {
        let digits = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let (head, count) = stem.rsplit_once("-of-")?;
    let (head, at) = head.rsplit_once('-')?;
    let (at, count) = (number(at)?, number(count)?);
    let sane = ending.eq_ignore_ascii_case(".gguf") && (1..=count).contains(&at) && count <= MOST_PARTS;
    sane.then(|| {
        (1..=count)
            .map(|n| format!("{head}-{n:05}-of-{count:05}{ending}"))
            .collect()
    })
}

/// The projector among a repository's files that belongs to a model, where there is no doubt: the only one; or of those
/// that are named like the model (or like nothing in particular) the one in the best precision.
///
/// # Errors
/// All projectors there are, where it is not clear which one, or there is none.
pub fn choose_projector(model: &str, files: &[String]) -> Result<String, Vec<String>> {
    let is_projector = |file: &&String| is_projector(file) && is_gguf(file);
    let all: Vec<&String> = files.iter().filter(is_projector).collect();
    if let [only] = all[..] {
        return Ok(only.clone());
    }
    let named = |stem: &str| -> Vec<&String> { all.iter().copied().filter(|f| words(f) == stem).collect() };
    let mut fitting = named(&words(model));
    if fitting.is_empty() {
        fitting = named("");
    }
    let same_stem = |file: &&String| all.first().is_some_and(|first| words(file) == words(first));
    if fitting.is_empty() && all.iter().all(same_stem) {
        fitting = all.clone();
    }
    if fitting.iter().any(|file| folder(file) == folder(model)) {
        fitting.retain(|file| folder(file) == folder(model));
    }
    let best = fitting.iter().map(|file| precision(file)).min();
    fitting.retain(|file| Some(precision(file)) == best);
    match fitting[..] {
        [only] => Ok(only.clone()),
        _ => Err(all.into_iter().cloned().collect()),
    }
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// How good a projector's precision is, the best first: half floats are what projectors are published in, and what the
/// judge was measured with; brain floats are slower on older cards.
fn precision(file: &str) -> usize {
    let order = ["f16", "bf16", "q8_0", "f32"];
    let tokens = tokens(file);
    let at = order.iter().position(|known| tokens.iter().any(|token| token == known));
    at.unwrap_or(order.len())
}

fn tokens(file: &str) -> Vec<String> {
    let lower = base(file).to_lowercase();
    let stem = lower.strip_suffix(".gguf").unwrap_or(&lower);
    stem.split(['-', '.'])
        .map(|token| token.replace("fp16", "f16"))
        .collect()
}

/// A file's name without what only tells precision and kind apart.
fn words(file: &str) -> String {
    let precision = |token: &str| {
        let rest = token.strip_prefix("iq").or_else(|| token.strip_prefix('q'));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            || matches!(token, "f16" | "bf16" | "f32" | "mxfp4" | "i1" | "ud")
    };
    let split = parts(file).is_some();
    let mut kept: Vec<String> = tokens(file);
    if split {
        kept.truncate(kept.len().saturating_sub(3));
    }
    kept.retain(|token| !precision(token) && !matches!(token.as_str(), "mmproj" | "model"));
    kept.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, mmproj: Option<&str>) -> Wanted {
        read(name, mmproj, Catalog::built_in().unwrap()).unwrap()
    }

    #[test]
    fn names_are_read() {
        let known = wanted("8B", None);
        assert_eq!(known.name, "8b");
        assert_eq!(known.model.repo.as_str(), "Qwen/Qwen3-VL-8B-Instruct-GGUF");
        assert_eq!(known.projector.unwrap().file, "mmproj-Qwen3VL-8B-Instruct-F16.gguf");

        let other = wanted("a/b.c/deep/m-00002-of-00003.gguf", Some("x/p.gguf"));
        assert_eq!(other.name, "a/b.c/deep/m-00001-of-00003.gguf");
        assert_eq!(other.model.file, "deep/m-00001-of-00003.gguf");
        let projector = other.projector.unwrap();
        assert_eq!(
            (projector.repo.as_str(), projector.file.as_str()),
            ("a/b.c", "x/p.gguf")
        );
        let projector = wanted("4b", Some("o/r/mm.gguf")).projector.unwrap();
        assert_eq!((projector.repo.as_str(), projector.file.as_str()), ("o/r", "mm.gguf"));
        assert_eq!(wanted("a/b/m.gguf", None).projector, None);
        for page in [
            "https://hub.example/a/b/blob/main/x/m.gguf",
            "https://hub.example/a/b/resolve/main/x/m.gguf?download=true",
        ] {
            assert_eq!(wanted(page, None).name, "a/b/x/m.gguf");
        }
        let projector = read("a/b/x/mmproj-m-F16.gguf", None, Catalog::built_in().unwrap());
        assert!(matches!(projector, Err(ModelsError::NoModel(_))));
    }

    #[test]
    fn what_leaves_its_folder_is_no_name() {
        for bad in [
            "a/b",
            "a/b/c.bin",
            "a/b/../c.gguf",
            "a/b/x/../../c.gguf",
            "../b/c.gguf",
            "a/b//c.gguf",
            "a/b/c\\d.gguf",
            "a/b/C:d.gguf",
            "a /b/c.gguf",
            "/b/c/d.gguf",
            "a/b/c\n.gguf",
            "https://hub/a/b/c.gguf",
        ] {
            assert!(
                matches!(
                    read(bad, None, Catalog::built_in().unwrap()),
                    Err(ModelsError::BadName(_))
                ),
                "{bad}"
            );
        }
        for (path, plain) in [
            (".hidden", true),
            ("a.b", true),
            ("..", false),
            (".", false),
            ("a.", false),
            ("", false),
        ] {
            assert_eq!(is_plain(path), plain, "{path}");
        }
    }

    #[test]
    fn parts_of_a_split_model_are_named() {
        let all = parts("q/m-00002-of-00003.gguf").unwrap();
        assert_eq!(
            all,
            [
                "q/m-00001-of-00003.gguf",
                "q/m-00002-of-00003.gguf",
                "q/m-00003-of-00003.gguf"
            ]
        );
        for whole in [
            "m.gguf",
            "m-00004-of-00003.gguf",
            "m-0001-of-0003.gguf",
            "m-00001-of-99999.gguf",
            "gguf",
            "é.ggu",
        ] {
            assert_eq!(parts(whole), None, "{whole}");
        }
    }

    #[test]
    fn a_projector_is_taken_where_there_is_no_doubt() {
        let choose = |model: &str, files: &[&str]| {
            let files: Vec<String> = files.iter().map(|f| (*f).to_owned()).collect();
            choose_projector(model, &files)
        };
        let best = |model: &str, files: &[&str]| choose(model, files).unwrap();
        assert_eq!(
            best("m-Q4_K_M.gguf", &["m-Q4_K_M.gguf", "mmproj-other-Q8_0.gguf"]),
            "mmproj-other-Q8_0.gguf"
        );
        let generic = ["mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"];
        assert_eq!(best("X-8B-UD-Q4_K_XL.gguf", &generic), "mmproj-F16.gguf");
        let mradermacher = ["a.mmproj-Q8_0.gguf", "a.mmproj-f16.gguf", "a.Q4_K_M.gguf"];
        assert_eq!(best("a.Q4_K_M.gguf", &mradermacher), "a.mmproj-f16.gguf");
        let two_models = [
            "mmproj-m-4B-Q8_0.gguf",
            "mmproj-m-8B-Q8_0.gguf",
            "mmproj-m-8B-bf16.gguf",
        ];
        assert_eq!(best("m-8B-Q4_K_M.gguf", &two_models), "mmproj-m-8B-bf16.gguf");
        assert_eq!(
            best("m-8B-Q4_K_M-00001-of-00002.gguf", &two_models),
            "mmproj-m-8B-bf16.gguf"
        );
        let folders = ["a/mmproj-F16.gguf", "b/mmproj-F16.gguf"];
        assert_eq!(best("b/m-Q8_0.gguf", &folders), "b/mmproj-F16.gguf");

        assert_eq!(choose("m.gguf", &["m.gguf"]), Err(vec![]));
        assert_eq!(choose("m.gguf", &folders).unwrap_err().len(), 2);
        assert_eq!(choose("other-1B.gguf", &two_models).unwrap_err().len(), 3);
    }
}
