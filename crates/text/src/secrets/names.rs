//! Which names of inputs say that a secret stands there.

/// Words that say it by themselves.
const SECRETS: &str = "\
    apikey apitoken auth authorization bearer credential credentials passphrase passwd password passwords pwd \
    secret secrets";

/// What names are written together with; "hftoken" is a token.
const ENDINGS: &str = "apikey apitoken accesskey accesstoken authtoken hftoken password secretkey";

/// Words before "key" that say that it is none to a door.
const OTHER_KEYS: &str = "\
    alpha attention attn cache chroma color colour column config data dict dictionary exif field foreign \
    group hot image index input json label layer lookup luma luminance map metadata music musical node output \
    piano primary scale shortcut sort state text value yaml";

/// Words before "token" that say that it is a piece of text.
const OTHER_TOKENS: &str = "\
    begin bos class cls concept embedding end eos first image initializer instance last mask max min negative \
    new next pad padding placeholder positive progress prompt sep special start stop style text trigger unk vision \
    word";

/// Words before "keys" and "tokens" that say that they are secrets; else they are parts of a picture or a text.
const OF_SECRETS: &str = "access api auth private secret";

/// Words of names that people write in other scripts.
const ELSEWHERE: &str = "密钥 密码 令牌";

/// Whether an input of this name holds a secret: its last word is one for that (`api_key`, `hfToken`, `Authorization`). A word that
/// only begins so (`keyframe`, `tokenizer`) is none, nor is what counts or colours (`token_count`, `key_color`).
pub fn is_secret_name(name: &str) -> bool {
    // Nothing that long is a name.
    if name.len() > 200 {
        return false;
    }
    if ELSEWHERE.split(' ').any(|word| name.contains(word)) {
        return true;
    }
    let words = words(name);
    let Some((last, before)) = words.split_last() else {
        return false;
    };
    let before = before.last().map(String::as_str).unwrap_or_default();
    match last.as_str() {
        "key" => !is_of(OTHER_KEYS, before),
        "token" => !is_of(OTHER_TOKENS, before),
        "keys" | "tokens" => is_of(OF_SECRETS, before),
        last => is_of(SECRETS, last) || ENDINGS.split(' ').any(|ending| last.ends_with(ending)),
    }
}

fn is_of(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// The words of a name, in lower case: `openAIKey_2` → open, ai, key. Digits only tell apart.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut begins = true;
    for (at, c) in letters.iter().enumerate() {
        if !c.is_alphabetic() {
            begins = true;
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let next = letters.get(at + 1);
        let humped = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase())
                || (before.is_some_and(|b| b.is_uppercase()) && next.is_some_and(|n| n.is_lowercase())));
        if begins || humped {
            words.push(String::new());
            begins = false;
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}
