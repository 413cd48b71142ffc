//! A report as tables: for the terminal, and as Markdown.

#[cfg(test)]
pub(super) mod tests;

use comfy_table::{ContentArrangement, Table};

use super::report::{Estimate, Measure, Report, Target};

/// As the other commands' tables: a line below the header and nothing else.
const TABLE_STYLE: &str = "     ──            ";
/// What stands where there is no number.
pub(super) const NONE: &str = "–";
/// The columns of the tests' table.
pub(super) const HEADER: [&str; 7] = [
    "test",
    "measure",
    "value (95 % interval)",
    "target",
    "met",
    "world class",
    "cases",
];

/// How a number is written: the word "share" in its name makes it a percentage, so that measures and rivals, which have
/// nothing but a name and a number, look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Share,
    Number,
}

impl Unit {
    pub fn of(name: &str) -> Self {
        let mut words = name.split(|c: char| !c.is_alphabetic());
        match words.any(|word| word.eq_ignore_ascii_case("share")) {
            true => Self::Share,
            false => Self::Number,
        }
    }

    /// A number without its unit.
    fn digits(self, value: f64) -> String {
        let text = match self {
            _ if !value.is_finite() => return NONE.to_owned(),
            Self::Share => format!("{:.1}", value * 100.0),
            Self::Number => format!("{value:.3}"),
        };
        // What was rounded to nothing has no sign.
        match text.strip_prefix('-') {
            Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
            _ => text,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Share => " %",
            Self::Number => "",
        }
    }

    /// A number with its interval.
    pub fn estimate(self, estimate: Estimate) -> String {
        let Estimate { value, low, high, .. } = estimate;
        if !value.is_finite() {
            return NONE.to_owned();
        }
        let value = format!("{}{}", self.digits(value), self.suffix());
        // Exact numbers, and those whose interval nobody worked out, come with one of no width.
        match low < high && low.is_finite() && high.is_finite() {
            true => format!("{value} ({} to {})", self.digits(low), self.digits(high)),
            false => value,
        }
    }

    /// A target, with no more digits than it needs.
    pub fn target(self, target: Option<Target>) -> String {
        let (sign, bound) = match target {
            Some(Target::AtLeast(least)) => ("≥", least),
            Some(Target::AtMost(most)) => ("≤", most),
            None => return NONE.to_owned(),
        };
        let digits = self.digits(bound);
        let short = digits.trim_end_matches('0').trim_end_matches('.');
        format!("{sign} {short}{}", self.suffix())
    }

    /// How far a value is from where it should be.
    fn missed(self, value: f64, target: Target) -> String {
        if !value.is_finite() {
            return "no number".to_owned();
        }
        let (by, way) = match target {
            Target::AtLeast(least) => (least - value, "short"),
            Target::AtMost(most) => (value - most, "over"),
        };
        let digits = self.digits(by);
        let points = match self {
            Self::Share => " points",
            Self::Number => "",
        };
        // What is missed is never nothing.
        match digits.as_str() {
            "0.0" => format!("less than 0.1{points} {way}"),
            "0.000" => format!("less than 0.001{points} {way}"),
            digits => format!("{digits}{points} {way}"),
        }
    }
}

/// A measure's cells below [`HEADER`].
pub(super) fn row(test: &str, measure: &Measure) -> [String; 7] {
    let unit = Unit::of(&measure.name);
    [
        test.to_owned(),
        measure.name.clone(),
        unit.estimate(measure.estimate),
        unit.target(measure.target),
        match measure.passed() {
            Some(true) => "yes",
            Some(false) => "no",
            None => NONE,
        }
        .to_owned(),
        unit.target(measure.world_class),
        measure.estimate.cases.to_string(),
    ]
}

/// The rivals as header and rows: a column for every number that any of them has, in the order they first come.
pub(super) fn rivals(report: &Report) -> (Vec<String>, Vec<Vec<String>>) {
    let mut header = vec!["way".to_owned()];
    for (name, _) in report.rivals.iter().flat_map(|rival| &rival.numbers) {
        if !header[1..].contains(name) {
            header.push(name.clone());
        }
    }
    let rows = report.rivals.iter().map(|rival| {
        let cell = |name: &String| match rival.numbers.iter().find(|(n, _)| n == name) {
            Some((_, estimate)) => Unit::of(name).estimate(*estimate),
            None => NONE.to_owned(),
        };
        let numbers = header[1..].iter().map(cell);
        std::iter::once(rival.name.clone()).chain(numbers).collect()
    });
    let rows = rows.collect();
    (header, rows)
}

/// How many targets are met, and what was missed by how much, in one line.
pub(super) fn summary(report: &Report) -> String {
    let (mut met, mut with_target, mut best, mut with_best) = (0, 0, 0, 0);
    let mut missed = Vec::new();
    for test in &report.tests {
        for measure in &test.measures {
            let value = measure.estimate.value;
            if let Some(target) = measure.world_class {
                with_best += 1;
                best += usize::from(target.met_by(value));
            }
            let Some(target) = measure.target else { continue };
            with_target += 1;
            if target.met_by(value) {
                met += 1;
                continue;
            }
            let by = Unit::of(&measure.name).missed(value, target);
            missed.push(format!("{} {} ({by})", test.id, measure.name));
        }
    }
    if with_target == 0 {
        return "No number has a target.".to_owned();
    }
    let world_class = match with_best {
        0 => String::new(),
        _ => format!("; {best} of {with_best} world class"),
    };
    let missed = match missed.is_empty() {
        true => String::new(),
        false => format!(". Missed: {}", missed.join("; ")),
    };
    format!("{met} of {with_target} targets met{world_class}{missed}.")
}

/// What was evaluated, in one line.
pub(super) fn identity(report: &Report) -> String {
    format!(
        "judge {} ({}), evidence {}, seed {}, {} cases a test; {} pairs read in {:.0} s",
        report.judge.short(),
        report.model,
        report.evidence.as_str(),
        report.seed,
        report.cases,
        report.pairs_read,
        report.seconds,
    )
}

/// The report for a terminal.
#[must_use]
pub fn text(report: &Report) -> String {
    let new = || {
        let mut table = Table::new();
        table.load_preset(TABLE_STYLE);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table
    };
    let mut tests = new();
    tests.set_header(HEADER);
    for test in &report.tests {
        tests.add_rows(test.measures.iter().map(|measure| row(&test.id, measure)));
    }
    let mut text = tests.to_string();
    if !report.rivals.is_empty() {
        let mut table = new();
        let (header, rows) = rivals(report);
        table.set_header(header);
        table.add_rows(rows);
        text.push_str(&format!("\n\n{table}"));
    }
    format!("{text}\n\n{}\n{}", summary(report), identity(report))
}

/// The report for docs/evaluation.md, in GitHub's Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    line(&mut text, HEADER);
    line(&mut text, HEADER.map(|_| "---"));
    for test in &report.tests {
        // The title once, so that the table stays narrow.
        let mut name = format!("{}: {}", test.id, test.title);
        for measure in &test.measures {
            line(&mut text, row(&std::mem::take(&mut name), measure));
        }
    }
    if !report.rivals.is_empty() {
        let (header, rows) = rivals(report);
        text.push('\n');
        line(&mut text, &header);
        line(&mut text, header.iter().map(|_| "---"));
        for row in rows {
            line(&mut text, row);
        }
    }
    text.push_str(&format!(
        "\n{}\n\n{}\n",
        plain(&summary(report)),
        plain(&identity(report))
    ));
    text
}

fn line(text: &mut String, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    let cells: Vec<String> = cells.into_iter().map(|cell| plain(cell.as_ref())).collect();
    text.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// Text without meaning for Markdown: names come from models and rubrics.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' | '#' => plain.extend(['\\', c]),
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}
