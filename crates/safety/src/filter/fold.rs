//! Look-alike characters as the plain ones that a reader sees.

/// Letters drawn like a plain one: accents, Cyrillic, Greek, Armenian, small capitals, raised letters.
/// Capitals stand here only where their lower case looks like another letter.
#[rustfmt::skip]
const ALIKE: &[(char, &str)] = &[
    ('a', "àáâãäåāăąǎȁȃạаαɑᴀᵃª"),
    ('b', "ƀɓВвβБбЬьʙᵇ"),
    ('c', "çćĉċčсϲᴄᶜ"),
    ('d', "ďđԁɗᴅᵈ"),
    ('e', "èéêëēĕėęěȅẹеёεєҽᴇᵉ"),
    ('f', "ƒꜰᶠ"),
    ('g', "ĝğġģǵɡցɢᵍ"),
    ('h', "ĥħһհΗНнʜʰ"),
    ('i', "ìíîïĩīĭįıǐịіїιɩɪᎥⁱ"),
    ('j', "ĵјյᴊʲ"),
    ('k', "ķкκᴋᵏ"),
    ('l', "ĺļľŀłⅼӏլʟˡ"),
    ('m', "мμᴍᵐ"),
    ('n', "ñńņňŋΝνηпոɴⁿ"),
    ('o', "òóôõöøōŏőơǒọоοσօᴏᵒº"),
    ('p', "рρᴘᵖ"),
    ('q', "ԛզ"),
    ('r', "ŕŗřгʀʳ"),
    ('s', "śŝşšșѕꜱˢ"),
    ('t', "ţťŧțтτᴛᵗ"),
    ('u', "ùúûüũūŭůűųưǔụυսᴜᵘ"),
    ('v', "ѵᴠᵛ"),
    ('w', "ŵԝωᴡʷ"),
    ('x', "хχˣ"),
    ('y', "ýÿŷуγΥʏʸ"),
    ('z', "źżžΖᴢᶻ"),
    ('0', "⁰₀⓪"), ('1', "¹₁"), ('2', "²₂"), ('3', "³₃"), ('4', "⁴₄"),
    ('5', "⁵₅"), ('6', "⁶₆"), ('7', "⁷₇"), ('8', "⁸₈"), ('9', "⁹₉"),
];

/// The zero of scripts whose ten digits follow one another: Arabic, Persian, Devanagari, Bengali,
/// Thai, and the five styles of mathematical digits.
const ZEROS: [u32; 10] = [
    0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
];

/// The first of a run of signs for numbers in a circle, in brackets or with a point, and Roman
/// numerals in one sign; with the number it stands for and the length of the run.
const NUMBERS: [(u32, u32, u32); 10] = [
    (0x2460, 1, 20),
    (0x2474, 1, 20),
    (0x2488, 1, 20),
    (0x24eb, 11, 10),
    (0x24f5, 1, 10),
    (0x2776, 1, 10),
    (0x2780, 1, 10),
    (0x278a, 1, 10),
    (0x2160, 1, 12),
    (0x2170, 1, 12),
];

/// The `a` of alphabets that follow one another: in circles, brackets and boxes, and the flag letters.
const ALPHABETS: [u32; 8] = [0x249c, 0x24b6, 0x24d0, 0x1f110, 0x1f130, 0x1f150, 0x1f170, 0x1f1e6];

/// Appends `c` as plain lower-case characters; nothing for one that is not seen.
pub(super) fn fold(c: char, out: &mut Vec<char>) {
    if is_unseen(c) {
        return;
    }
    if let Some(plain) = alike(c) {
        out.push(plain);
    } else if !push_number(c, out) {
        // A capital may have a look-alike in its lower case only; its dot is a mark of its own.
        let lower = c.to_lowercase().filter(|&l| !is_unseen(l));
        out.extend(lower.map(|l| alike(l).unwrap_or(l)));
    }
}

/// Soft hyphens, marks of width zero and of direction, fillers, accents on their own, emoji variants
/// and tags; with the fractions that may follow an age.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{ffa0}' | '\u{feff}'
            | '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{e0000}'..='\u{e01ef}' | '¼' | '½' | '¾'
    )
}

fn alike(c: char) -> Option<char> {
    if c.is_ascii() {
        return None;
    }
    let listed = ALIKE
        .iter()
        .find(|(_, alike)| alike.contains(c))
        .map(|&(plain, _)| plain);
    listed.or_else(|| by_distance(u32::from(c)))
}

/// Characters at a fixed distance from ASCII.
fn by_distance(code: u32) -> Option<char> {
    let letter = |nth: u32| char::from_u32(u32::from('a') + nth);
    match code {
        // Full-width forms.
        0xff01..=0xff5e => char::from_u32(code - 0xfee0).map(|c| c.to_ascii_lowercase()),
        // Mathematical letters: thirteen alphabets, each in capitals and small.
        0x1d400..=0x1d6a3 => letter((code - 0x1d400) % 26),
        _ => {
            let within = |first: u32, count: u32| code.checked_sub(first).filter(|&nth| nth < count);
            let digit = ZEROS.into_iter().find_map(|zero| within(zero, 10));
            digit
                .and_then(|nth| char::from_digit(nth, 10))
                .or_else(|| ALPHABETS.into_iter().find_map(|a| within(a, 26)).and_then(letter))
        }
    }
}

fn push_number(c: char, out: &mut Vec<char>) -> bool {
    let found = NUMBERS.into_iter().find_map(|(sign, value, count)| {
        u32::from(c)
            .checked_sub(sign)
            .filter(|&nth| nth < count)
            .map(|nth| value + nth)
    });
    out.extend(found.iter().flat_map(|n| n.to_string().chars().collect::<Vec<_>>()));
    found.is_some()
}
