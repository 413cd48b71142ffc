use std::time::Instant;

use super::{describes_minor, describes_minor_strict, explicit_terms};

#[track_caller]
fn all_minor(texts: &[&str]) {
    let missed: Vec<_> = texts.iter().filter(|text| describes_minor(text).is_none()).collect();
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

#[track_caller]
fn none_minor(texts: &[&str]) {
    let wrong: Vec<_> = texts
        .iter()
        .filter_map(|text| describes_minor(text).map(|found| (text, found)))
        .collect();
    assert!(wrong.is_empty(), "found by mistake: {wrong:#?}");
}

#[test]
fn words_are_found_in_any_inflection() {
    all_minor(&[
        "a child",
        "two children",
        "the child's face",
        "a Kid",
        "KIDS playing",
        "teen",
        "teens",
        "teenage mutant",
        "a teenager",
        "childlike body",
        "childish",
        "toddler",
        "babies",
        "schoolgirl",
        "schoolgirls",
        "school girl",
        "school-girl",
        "School_Girl",
        "high school student",
        "highschool",
        "high-schooler",
        "junior high",
        "loli",
        "lolis",
        "shota",
        "pre-teen",
        "preteens",
        "tween",
        "underage",
        "under-age",
        "under aged",
        "minors",
        "a minor",
        "jailbait",
        "barely-legal",
        "adolescent",
        "juvenile",
        "prepubescent",
        "young girl",
        "little_boy",
        "very young woman",
        "girl scout uniform",
        "1girl, loli, smile",
        "(schoolgirl:1.3)",
        "kindergarten",
        "baby face",
        "school uniform",
        "youths",
        "stepchild",
        "teengirl",
        "cuteloli",
        "lolita fashion",
        "childgirl",
        "ロリ",
        "小学生の女の子",
        "未成年",
        "школьница",
        "Minderjährige",
    ]);
}

#[test]
fn ages_below_eighteen_are_found() {
    all_minor(&[
        "14 year old",
        "14-year-old girl",
        "a 17 years old man",
        "17yo",
        "17 yo",
        "16 y.o.",
        "16 y/o",
        "15yrs old",
        "15 yr old",
        "5 years of age",
        "age 15",
        "age: 15",
        "Age=12",
        "aged 9",
        "aged about 16",
        "at the age of 13",
        "ages 15-20",
        "age15",
        "seventeen-year-old",
        "seventeen year old",
        "twelve years old",
        "ten-year-olds",
        "16-18 year old",
        "17 to 19 years old",
        "17.5 year old",
        "6 months old",
        "an 18-month-old",
        "she is 15",
        "he looks about 16",
        "girl, 15, smiling",
        "woman of 17",
        "turning 17",
        "under 18",
        "she's 16",
        "she’s sixteen",
        "fourteen yrs",
        "17 ½ years old",
        "15 and a half years old",
        "16 girl",
        "17f",
        "14 ans",
        "14 Jahre alt",
        "14 años",
        "14歳の女の子",
        "14岁",
        "grade 7 student",
        "year 9 girl",
        "younger than 18",
        "not yet 18",
        "almost 18",
        "below the age of 18",
        "sweet sixteen",
        "16th birthday",
        "her sixteenth birthday",
        "9th grader",
        "seventh grade",
        "１４ year old",
    ]);
}

#[test]
fn disguises_are_undone() {
    all_minor(&[
        "l0li",
        "lol1",
        "L O L I",
        "l.o.l.i",
        "l-o-l-i",
        "lo li",
        "te en",
        "t33n",
        "t e e n",
        "teeeeen",
        "ch1ld",
        "ch!ld",
        "ch|ld",
        "k1d",
        "k1ds",
        "k i d",
        "kіd (Cyrillic i)",
        "сhild (Cyrillic s)",
        "ｌｏｌｉ",
        "l\u{200b}oli",
        "chi\u{ad}ld",
        "lóli",
        "lol\u{301}i",
        "5chool girl",
        "sch00lgirl",
        "s c h o o l g i r l",
        "$choolgirl",
        "under_age",
        "pre_teen",
        "l 0 l i",
        "under.age",
        "1 4 year old",
        "１４ year old",
        "14\u{2011}year\u{2011}old",
        "14_year_old",
        "14yearold",
        "14  YEAR   OLD",
        "sh0ta",
        "p3do",
    ]);
}

#[test]
fn adults_and_things_are_left_alone() {
    none_minor(&[
        "",
        "kidney beans",
        "kidnapped",
        "18 year old",
        "18-year-old woman",
        "25-year-old",
        "a 25 year old woman",
        "eighteen years old",
        "nineteen-year-old",
        "age 18",
        "aged 30",
        "age: 45",
        "ages 18-25",
        "18+",
        "over 18",
        "at least 18 years old",
        "older than 18",
        "woman in her thirties",
        "30yo",
        "40 y.o. man",
        "118 years old",
        "a 1,000 year old tree",
        "25.5 years old",
        "young woman",
        "young man",
        "a lady",
        "1girl, solo",
        "2girls, 1boy",
        "cowboy",
        "boyfriend",
        "velveteen canteen",
        "a fourteen line sonnet",
        "sixteen candles",
        "16:9",
        "woman, 16:9, 8k",
        "f/16, 35mm",
        "he is 6 feet tall",
        "man, 8k",
        "15 years later",
        "childless couple",
        "lollipop",
        "twenty-five years old",
        "twenty five year old woman",
        "forty-one-year-olds",
        "a hundred and fifteen years old",
        "a two hundred year old oak",
        "one thousand and one years old",
        "not 10 fingers",
        "character 7, concept art",
        "person 15, crowd",
        "8 male lions",
        "12 girls",
        "score_9, 1girl",
        "a wide shot a friend took",
        "1/15 f/2.8",
        "baby blue dress",
        "minor scratches",
        "D minor key",
        "dilated pupils",
        "totem",
        "students at a university",
        "college student",
        "middle-aged",
        "aged wood",
        "18 to 25 year old",
        "the 18th birthday",
        "second floor",
        "first light",
        "12 roses",
        "Studio 54",
        "version 2",
        "girl with 12 roses",
        "woman with 3 dogs",
        "seed 17",
        "steps 15",
        "cfg 7.5",
        "1024x1024",
        "not 4 chairs",
        "teal and turquoise",
        "schooner",
        "chilled wine",
        "shot at dusk",
        "low key light",
    ]);
}

#[test]
fn what_was_found_is_named_plainly() {
    assert_eq!(describes_minor("a l0li here").unwrap().to_string(), "loli");
    assert_eq!(
        describes_minor("a fifteen-year-old").unwrap().to_string(),
        "15 years old"
    );
    assert_eq!(describes_minor("aged about 16").unwrap().to_string(), "age 16");
}

#[test]
fn explicit_words_are_found() {
    for text in [
        "nude",
        "eine nackte frau",
        "mujer desnuda",
        "donna nuda",
        "a Naked man",
        "full nudity",
        "porn",
        "pornographic",
        "n u d e",
        "nud3",
        "s3x",
        "sex",
        "having sex",
        "sexual_act",
        "explicit, NSFW",
        "erotica",
        "topless",
        "masturbating",
        "visible genitals",
        "no-panties",
        "blow job",
        "hentai",
        "penetration",
        "bare breasts",
    ] {
        assert!(explicit_terms(text), "{text}");
    }
}

#[test]
fn ordinary_words_are_not_explicit() {
    for text in [
        "",
        "a portrait of a woman",
        "cockpit",
        "Essex countryside",
        "peacock",
        "analysis",
        "title",
        "a tight frame",
        "document",
        "circumstance",
        "Sussex",
        "a nudge",
        "dickens novel",
        "assembly",
        "clothes partly off",
        "action",
        "strip of film",
        "cucumber",
        "titan",
        "analog photo",
    ] {
        assert!(!explicit_terms(text), "{text}");
    }
}

#[test]
fn rows_of_marks_and_of_single_letters_take_no_longer_than_words() {
    let time = |text: &str| {
        let begun = Instant::now();
        assert!(!explicit_terms(text) && describes_minor(text).is_none() && describes_minor_strict(text).is_none());
        begun.elapsed()
    };
    let words = time(&"word ".repeat(4_000));
    for mark in ["\"", "\n", "\u{1}", ".", "- "] {
        let row = time(&mark.repeat(40_000));
        assert!(row < words * 5, "{mark:?}: {row:?}, words {words:?}");
    }
    // As many words as above; each may begin a word of 24 letters.
    for letters in ["q ", "x z ", "b c d e f g h "] {
        let row = time(&letters.repeat(8_000 / letters.len()));
        assert!(row < words * 5, "{letters:?}: {row:?}, words {words:?}");
    }
}
