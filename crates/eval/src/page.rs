//! A report as one page for a browser: the tables, and what the judge got wrong, as pictures.
//!
//! The page needs no script and no network, and says so to the browser; everything that is not ours is escaped.

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::report::{Measure, Report, Target, TestReport, WorstCase};
use super::table::{self, Unit};
use text::escaped;

/// Cases of one test on the page.
const MOST: usize = 6;
const STYLE: &str = include_str!("page.css");

/// The report as a page; of every test at most six of the worst cases.
#[must_use]
pub fn html(report: &Report, worst: &[WorstCase]) -> String {
    let summary = escaped(&table::summary(report));
    let identity = escaped(&table::identity(report));
    let cases = worst_cases(report, worst);
    let links: String = cases
        .iter()
        .map(|of| format!("<a href=\"#{}\">{}</a>", anchor(of.test), escaped(of.test)))
        .collect();
    let nav = match links.is_empty() {
        true => String::new(),
        false => format!("<nav class=\"soft\"><span>What went wrong in:</span>{links}</nav>"),
    };
    let shown: String = cases.iter().map(of_test).collect();
    let shown = match shown.is_empty() {
        true => "<p class=\"soft\">No case went wrong, or none was kept.</p>".to_owned(),
        false => shown,
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>How well the judge sees</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>How well the judge sees</h1>\n<p class=\"big\">{summary}</p>\n<p class=\"soft\">{identity}</p>\n{nav}\n</header>\n\
         <h2>The tests</h2>\n{}\n{}<h2>What it gets most wrong</h2>\n{shown}\n</body>\n</html>\n",
        tests(report),
        rivals(report),
    )
}

fn tests(report: &Report) -> String {
    let [_, measure, value, target, met, world_class, cases] = table::HEADER;
    let mut text = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    for name in [measure, value, "", target, met, world_class, cases] {
        text.push_str(&format!("<th scope=\"col\">{name}</th>"));
    }
    text.push_str("</tr></thead>\n");
    for test in &report.tests {
        text.push_str(&format!(
            "<tbody>\n<tr><th scope=\"rowgroup\" colspan=\"7\">{} · {}</th></tr>\n",
            escaped(&test.id),
            escaped(&test.title)
        ));
        for measure in &test.measures {
            let [_, name, value, target, met, world_class, cases] = table::row("", measure).map(|c| escaped(&c));
            let class = match measure.passed() {
                Some(true) => " class=\"yes\"",
                Some(false) => " class=\"no\"",
                None => "",
            };
            text.push_str(&format!(
                "<tr><th scope=\"row\">{name}</th><td>{value}</td><td>{}</td><td>{target}</td><td{class}>{met}</td>\
                 <td>{world_class}</td><td>{cases}</td></tr>\n",
                bar(measure)
            ));
        }
        text.push_str("</tbody>\n");
    }
    text.push_str(
        "</table></div>\n<p class=\"soft\">The dot is the value, the band its interval, the upright line the target.</p>",
    );
    text
}

/// The value and its interval beside the target, drawn. It says nothing that the cells do not, so readers of the
/// page's text pass it by.
fn bar(measure: &Measure) -> String {
    let estimate = measure.estimate;
    let goal = measure.target.map(|t| match t {
        Target::AtLeast(bound) | Target::AtMost(bound) => bound,
    });
    let known = [Some(estimate.value), Some(estimate.low), Some(estimate.high), goal];
    let known: Vec<f64> = known.into_iter().flatten().collect();
    if known.iter().any(|x| !x.is_finite()) {
        return String::new();
    }
    let least = known.iter().copied().fold(0.0, f64::min);
    let most = match Unit::of(&measure.name) {
        Unit::Share => known.iter().copied().fold(1.0, f64::max),
        // Small numbers would vanish on a scale to 1; the goal stands within it, not at its edge.
        Unit::Number => known.iter().copied().fold(0.0, f64::max) * 1.25,
    };
    if most <= least {
        return String::new();
    }
    let at = |x: f64| (x - least) / (most - least) * 100.0;
    let goal = goal
        .map(|goal| format!("<i class=\"goal\" style=\"left:{:.1}%\"></i>", at(goal)))
        .unwrap_or_default();
    format!(
        "<span class=\"bar\" aria-hidden=\"true\"><i></i><i class=\"band\" style=\"left:{:.1}%;right:{:.1}%\"></i>{goal}\
         <i class=\"dot\" style=\"left:{:.1}%\"></i></span>",
        at(estimate.low),
        100.0 - at(estimate.high),
        at(estimate.value),
    )
}

fn rivals(report: &Report) -> String {
    if report.rivals.is_empty() {
        return String::new();
    }
    let (header, rows) = table::rivals(report);
    let mut text = String::from(
        "<h2>Other ways on the same cases</h2>\n<div class=\"scroll\"><table class=\"rivals\">\n<thead><tr>",
    );
    for name in header {
        text.push_str(&format!("<th scope=\"col\">{}</th>", escaped(&name)));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            text.push_str(&match i {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            });
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table></div>\n");
    text
}

/// The worst cases of a test.
struct Wrong<'a> {
    test: &'a str,
    title: Option<&'a str>,
    shown: Vec<&'a WorstCase>,
}

/// By test, in the report's order, and those of tests that it does not hold last.
fn worst_cases<'a>(report: &'a Report, worst: &'a [WorstCase]) -> Vec<Wrong<'a>> {
    let mut tests: Vec<&str> = report.tests.iter().map(|t| t.id.as_str()).collect();
    for case in worst {
        if !tests.contains(&case.test.as_str()) {
            tests.push(&case.test);
        }
    }
    let wrong = tests.into_iter().map(|test| {
        let mut shown: Vec<&WorstCase> = worst.iter().filter(|case| case.test == test).collect();
        shown.sort_by(|a, b| b.error.total_cmp(&a.error));
        shown.truncate(MOST);
        let of_report = |t: &&TestReport| t.id == test;
        let title = report.tests.iter().find(of_report).map(|t| t.title.as_str());
        Wrong { test, title, shown }
    });
    wrong.filter(|of| !of.shown.is_empty()).collect()
}

fn of_test(wrong: &Wrong<'_>) -> String {
    let title = wrong.title.map(|t| format!(" · {}", escaped(t))).unwrap_or_default();
    let cases: String = wrong.shown.iter().map(|case| one_case(case)).collect();
    format!(
        "<section id=\"{}\">\n<h3>{}{title}</h3>\n<ol class=\"cases\">\n{cases}</ol>\n</section>\n",
        anchor(wrong.test),
        escaped(wrong.test)
    )
}

fn one_case(case: &WorstCase) -> String {
    let mut text = String::from("<li><div class=\"row\">");
    for (label, png) in &case.pictures {
        let label = escaped(label);
        text.push_str(&format!(
            "<figure><figcaption>{label}</figcaption><img alt=\"{label}\" src=\"data:image/png;base64,"
        ));
        STANDARD.encode_string(png, &mut text);
        text.push_str("\"></figure>");
    }
    text.push_str(&format!("</div><p>{}</p></li>\n", escaped(&case.note)));
    text
}

/// A test's place on the page.
fn anchor(test: &str) -> String {
    let safe: String = test.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("test-{safe}")
}
