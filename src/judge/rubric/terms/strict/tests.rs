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
        "1б woman 16",
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
fn adults_counts_and_settings_are_left_alone() {
    none_refused(&[
        "",
        "nude woman on a bed",
        "2 women",
        "3 people",
        "two adults aged 35 and 42",
        "two mature women",
        "two nude young women embracing",
        "12 women in a row",
        "one man, one woman",
        "the two of them",
        "woman with two breasts, 3 earrings",
        "young woman, 25",
        "a young man",
        "petite woman, 30 years old",
        "woman with short hair and pigtails",
        "a 45 year old woman",
        "25yo woman",
        "40 y.o. man",
        "adult woman in her 30s",
        "(detailed skin:1.3)",
        "(nude woman:1.2), (masterpiece:1.4)",
        "<lora:beautiful_woman:1>",
        "<lora:mature:0.8>, woman",
        "(woman:2)",
        "8k",
        "8k, uhd, woman",
        "85mm f/1.4",
        "85mm, f/8, nude woman",
        "woman, f/5.6",
        "f/16, 35mm",
        "15 candles",
        "woman with 12 red roses",
        "woman, 16:9",
        "three-quarter view of a woman",
        "3/4 view, woman",
        "she is 6 feet tall",
        "woman, 5'7\" tall",
        "score_9, score_8_up, score_7_up, nude woman",
        "cfg 7.5",
        "seed 17",
        "steps 15",
        "cfg: 7, woman",
        "1024x1024",
        "dpmpp_2m",
        "dpmpp_3m_sde",
        "euler_ancestral",
        "sd_xl_base_1.0.safetensors",
        "v1-5-pruned-emaonly.safetensors",
        "detail_tweaker_v13.safetensors",
        "woman, dilated pupils",
        "heart-shaped pupils, woman",
        "minor scratches",
        "old school photograph of a woman",
        "a woman in the 19th century",
        "a 12th century castle",
        "a second woman",
        "first class cabin",
        "women in their forties",
        "a woman aged twenty-five",
        "shot on iphone 15, woman",
        "2 mature males",
        "4 hands",
        "a couple, both adults",
        "mature woman, nipples, bare breasts",
        "photo from 1985, woman",
        "woman, 50mm lens, ISO 100",
        "a woman, red lingerie, soft light, 4k",
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
    for text in ["1", "f", "young", "girl", "1 ", "(", ":", "\u{200b}", "2 of", "17\u{300}", "é1", "1é", "🇱"] {
        let _ = describes_minor_strict(text);
    }
}
