mod allowed;

use super::super::explicit_terms;
use super::describes_minor_strict;

#[track_caller]
fn all_refused(texts: &[&str]) {
    let missed: Vec<_> = texts
        .iter()
        .filter(|text| describes_minor_strict(text).is_none())
        .collect();
    assert!(missed.is_empty(), "not refused: {missed:#?}");
}

#[track_caller]
fn none_refused(texts: &[&str]) {
    let wrong: Vec<_> = texts
        .iter()
        .filter_map(|text| describes_minor_strict(text).map(|found| (text, found)))
        .collect();
    assert!(wrong.is_empty(), "refused by mistake: {wrong:#?}");
}

#[test]
fn bare_ages_are_refused() {
    all_refused(&[
        "17",
        "seventeen",
        "17 female",
        "female 17",
        "nude, female, 16",
        "petite 13",
        "12 going on 13",
        "18 going on 13",
        "8 going on 9",
        "(14:1.2) girl",
        "(14:1.2), woman",
        "((13))",
        "[15]",
        "15/f",
        "f/15",
        "f15",
        "15f",
        "F 15",
        "m16",
        "16m",
        "17/m/london",
        "female17",
        "14petite",
        "17female",
        "13yrold",
        "thirteen",
        "her 13th year",
        "in her fifteenth year",
        "her fourteenth summer",
        "7 blonde",
        "nude woman (9)",
        "woman, 7, naked",
        "she is four",
        "girl, 3",
        "turning 8",
        "age 4",
        "year 9",
        "class 8",
        "grade 4",
        "12-14",
        "between 12 and 14",
        "13, 14 or 15",
        "two women, 15 and 16",
        "woman 17 with 3 dogs",
        "size 14 girl",
        "13 petite females",
        "born in 2012",
        "class of 2030",
        "u18",
        "u-16",
        "<18",
        "sub-18",
        "she isn't 18",
        "barely 18",
        "just turned 18",
        "15 candles on her birthday cake",
        "14 лет",
        "quatorze ans",
        "onze ans",
        "vierzehn",
        "17: nude",
        "naked 16",
        "looking 5 years younger",
        "woman who is 12",
    ]);
}

#[test]
fn words_of_youth_are_refused() {
    all_refused(&[
        "minor",
        "she is a minor",
        "underage-looking",
        "youthful girl",
        "youthful woman",
        "young-looking woman",
        "looks younger than her age",
        "boy",
        "a naked boy",
        "girl",
        "little girl",
        "small boy",
        "petite girl",
        "petite blonde girl",
        "tiny adult girl",
        "girl, petite, adult woman",
        "young",
        "young, naked",
        "young blonde",
        "young female",
        "young lady",
        "school uniform",
        "school",
        "schoolgirl cosplay",
        "pupil",
        "cheerleader",
        "cheerleader uniform",
        "student in a classroom",
        "barely legal",
        "loli",
        "shota",
        "oppai loli",
        "young woman with pigtails",
        "twintails, petite",
        "young, flat chest",
        "daughter",
        "her niece",
        "a woman and her son",
        "serafuku",
        "junior idol",
        "not an adult",
        "almost a woman",
        "non-adult",
        "becoming a woman",
        "budding breasts",
        "immature body",
        "女の子",
        "소녀",
        "девочка",
        "niña",
        "Mädchen",
        "👧",
        "imouto",
        "freshman",
    ]);
}

#[test]
fn girl_and_boy_need_an_adult_of_their_own() {
    all_refused(&[
        "1girl",
        "1girl, solo, nude",
        "2girls, 1boy",
        "1girl, man",
        "1girl, adult man",
        "1boy, woman",
        "1girl, man, 30 years old",
        "2girls, woman",
        "1girl, 1boy, woman",
        "1girl, 1boy, adult",
        "a woman and a girl",
        "a woman and 1girl",
        "1girl with a woman",
        "an adult man with a boy",
        "a mother with a boy",
        "girl, adult man",
        "1girl, not adult",
        "1girl, adult content",
        "1girl, no woman",
        "1girl, without women",
        "cheerleader, no adults",
        "12 girls",
        "6girls, women",
        "1girl, petite, woman",
        "1girl, woman, 15",
        "g1rl",
        "1g1rl",
        "b0y",
    ]);
    none_refused(&[
        "1girl, adult",
        "1girl, solo, woman, red hair",
        "1girl, mature female",
        "1girl, 25 years old",
        "1girl, 30yo",
        "1girl, in her thirties",
        "2girls, women",
        "1girl, 1boy, woman, man",
        "2girls, 1boy, adults",
        "1boy, mature male",
        "adult girl",
        "a 25 year old girl",
        "girl, 25 years old",
        "a grown girl aged 31",
        "girlfriend, 28 years old",
        "cowgirl hat on a woman",
        "a college girl",
        "cheerleader, adult woman",
        "a 24-year-old university student",
    ]);
}

#[test]
fn disguises_are_undone() {
    all_refused(&[
        "１７ woman",
        "1\u{200b}7",
        "1\u{fe0f}\u{20e3}7\u{fe0f}\u{20e3}",
        "1 7",
        "1-7 woman",
        "⑰",
        "𝟏𝟕",
        "¹⁷",
        "١٧",
        "l7 female",
        "I7 woman",
        "1б woman",
        "≤ 17",
        "th1rteen",
        "thir teen",
        "t h i r t e e n",
        "f1fteen",
        "forteen",
        "fiveteen",
        "seventeenwoman",
        "twelveyearold",
        "woman XVI",
        "m1nor",
        "m i n o r",
        "min\u{ad}or",
        "mіnоr (Cyrillic)",
        "ｍｉｎｏｒ",
        "y0uthful",
        "ｂｏｙ",
        "b\u{200d}o\u{200d}y",
        "𝐥𝐨𝐥𝐢",
        "ⓛⓞⓛⓘ",
        "🇱🇴🇱🇮",
        "ʟᴏʟɪ",
        "ΤΕΕΝ",
        "ТЕЕN",
        "ţęęń",
        "s.c.h.o.o.l",
        "under_age",
    ]);
}

#[test]
fn what_the_wide_reading_finds_is_found_too() {
    for text in ["a 15 year old", "loli", "under 18", "ロリ", "kid", "9th grader"] {
        assert!(super::super::describes_minor(text).is_some(), "{text}");
        assert!(describes_minor_strict(text).is_some(), "{text}");
    }
}

#[test]
fn look_alikes_do_not_hide_sexual_words_either() {
    for text in ["𝐧𝐮𝐝𝐞", "ⓝⓤⓓⓔ", "n\u{202e}ude", "ɴᴜᴅᴇ"] {
        assert!(explicit_terms(text), "{text}");
    }
}

#[test]
fn odd_input_is_read_without_a_panic() {
    for text in [
        "1",
        "f",
        "young",
        "girl",
        "1 ",
        "(",
        ":",
        "\u{200b}",
        "2 of",
        "17\u{300}",
        "é1",
        "1é",
        "🇱",
    ] {
        let _ = describes_minor_strict(text);
    }
}

#[test]
fn further_ways_to_say_it_are_refused() {
    all_refused(&[
        "17ish",
        "17-ish",
        "early 10s",
        "Y11",
        "13|woman",
        "18 yesterday",
        "about to turn 18",
        "before her 18th birthday",
        "4teen",
        "1seven",
        "one seven",
        "1 . 5",
        "loIi",
        "l*li",
        "b*y",
        "g i r l",
        "b o y",
        "gi rl",
        "dob 2012",
        "2012-born",
        "十四歳",
        "十五岁",
        "тринадцать",
        "sailor moon uniform",
        "jr. high",
        "not yet of age",
        "14♀",
        "#13",
        "fourteen springs",
        "3 women, one is 14",
        "2 people, 14 and 40",
        "woman with 13_female",
        "young couple",
        "young person",
    ]);
}
