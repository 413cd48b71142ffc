use super::*;
use crate::report::{Rival, TestReport};
use judge::protocol::Evidence;
use types::JudgeHash;

/// A report with numbers that are met, missed, barely missed, without target and without value.
pub fn sample() -> Report {
    let estimate = |value, low, high| Estimate {
        value,
        low,
        high,
        cases: 120,
    };
    let measure = |name: &str, estimate, target, world_class| Measure {
        name: name.to_owned(),
        estimate,
        target,
        world_class,
    };
    let (least, most) = (|x| Some(Target::AtLeast(x)), |x| Some(Target::AtMost(x)));
    let test = |id: &str, title: &str, measures| TestReport {
        id: id.to_owned(),
        title: title.to_owned(),
        measures,
    };
    Report {
        judge: JudgeHash::parse("0123456789abcdef0123").unwrap(),
        model: "bundled | 3.6M <b>".to_owned(),
        seed: 7,
        cases: 120,
        evidence: Evidence::Values,
        tests: vec![
            test(
                "T1",
                "repeat",
                vec![measure("largest change", estimate(0.0, 0.0, 0.0), most(0.0), most(0.0))],
            ),
            test(
                "T4",
                "one attribute edited",
                vec![
                    measure(
                        "ranks worst, share",
                        estimate(0.7186, 0.634, 0.791),
                        least(0.75),
                        least(0.8),
                    ),
                    measure(
                        "in the worst three, share",
                        estimate(0.9199, 0.86, 0.96),
                        least(0.92),
                        least(0.95),
                    ),
                    measure("others move by", estimate(0.0812, 0.07, 0.1), most(0.07), most(0.05)),
                ],
            ),
            test(
                "pairs",
                "your | pairs <script>",
                vec![
                    measure("Spearman", estimate(-0.00001, -0.25, 0.5), None, None),
                    measure("held out", estimate(f64::NAN, f64::NAN, f64::NAN), most(0.08), None),
                ],
            ),
        ],
        rivals: vec![
            Rival {
                name: "values".into(),
                numbers: vec![
                    ("easy, share".into(), estimate(0.991, 0.97, 1.0)),
                    ("Spearman".into(), estimate(0.91, 0.88, 0.94)),
                ],
            },
            Rival {
                name: "HOG".into(),
                numbers: vec![("Spearman".into(), estimate(0.5, 0.5, 0.5))],
            },
        ],
        pairs_read: 1234,
        seconds: 61.7,
    }
}

#[test]
fn the_terminal_shows_every_number_and_what_was_missed() {
    let text = text(&sample());
    let row = |start: &str| {
        let line = text
            .lines()
            .find(|l| l.trim_start().starts_with(start))
            .unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("T1"), "T1 largest change 0.000 ≤ 0 yes ≤ 0 120");
    assert_eq!(
        row("T4 "),
        "T4 ranks worst, share 71.9 % (63.4 to 79.1) ≥ 75 % no ≥ 80 % 120"
    );
    assert_eq!(row("pairs"), "pairs Spearman 0.000 (-0.250 to 0.500) – – – 120");
    assert_eq!(row("values"), "values 99.1 % (97.0 to 100.0) 0.910 (0.880 to 0.940)");
    assert_eq!(row("HOG"), "HOG – 0.500");
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert_eq!(
        last[1],
        "1 of 5 targets met; 1 of 4 world class. Missed: T4 ranks worst, share (3.1 points short); T4 in the worst \
         three, share (less than 0.1 points short); T4 others move by (0.011 over); pairs held out (no number)."
    );
    assert_eq!(
        last[0],
        "judge 0123456789abcdef (bundled | 3.6M <b>), evidence values, seed 7, 120 cases a test; 1234 pairs read in 62 s"
    );
}

#[test]
fn nothing_measured_is_still_a_text() {
    let report = Report {
        tests: Vec::new(),
        rivals: Vec::new(),
        ..sample()
    };
    assert!(text(&report).contains("\n\nNo number has a target.\njudge "));
}

#[test]
fn markdown_has_whole_rows_and_no_foreign_markup() {
    let text = markdown(&sample());
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let tables: Vec<&str> = text.lines().filter(|l| l.starts_with('|')).collect();
    let (tests, rivals) = tables.split_at(8);
    assert!(tests.iter().all(|l| bars(l) == 8), "{text}");
    assert!(rivals.len() == 4 && rivals.iter().all(|l| bars(l) == 4), "{text}");
    assert_eq!(tests[1], "| --- | --- | --- | --- | --- | --- | --- |");
    assert_eq!(
        tests[3],
        "| T4: one attribute edited | ranks worst, share | 71.9 % (63.4 to 79.1) | ≥ 75 % | no | ≥ 80 % | 120 |"
    );
    assert!(tests[4].starts_with("|  | in the worst three"));
    assert!(text.contains("your \\| pairs &lt;script>") && !text.contains("<b>"));
    assert!(!text.contains("\n\n\n"));
}

#[test]
fn a_share_is_known_by_its_name() {
    for (name, unit) in [
        ("neighbours in order, share", Unit::Share),
        ("Share (of all)", Unit::Share),
        ("shared axes", Unit::Number),
        ("Spearman", Unit::Number),
    ] {
        assert_eq!(Unit::of(name), unit, "{name}");
    }
}
