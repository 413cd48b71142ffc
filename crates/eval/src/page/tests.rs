use super::*;
use crate::table::tests::sample;

fn case(test: &str, error: f64) -> WorstCase {
    WorstCase {
        test: test.to_owned(),
        error,
        note: format!("expected <b>red</b> & \"blue\", error {error}"),
        pictures: vec![
            ("reference".to_owned(), b"\x89PNG one".to_vec()),
            ("it's \"other\"".to_owned(), b"\x89PNG two".to_vec()),
        ],
    }
}

#[test]
fn the_page_stands_alone_and_everything_is_escaped() {
    let page = html(&sample(), &[case("T4", 0.4), case("<x>", 0.1)]);
    for foreign in [
        "<script",
        "<b>",
        "<x>",
        "http://",
        "https://",
        "\"other\"",
        "NaN",
        "url(",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("expected &lt;b&gt;red&lt;/b&gt; &amp; &quot;blue&quot;"));
    assert!(page.contains("alt=\"it&#39;s &quot;other&quot;\""));
    assert!(page.contains("src=\"data:image/png;base64,iVBORyBvbmU=\""));
    assert!(page.contains("<section id=\"test-x\">") && page.contains("href=\"#test-x\""));
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn the_worst_come_first_and_six_are_enough() {
    let mut worst: Vec<WorstCase> = (0..9).map(|i| case("T4", f64::from(i))).collect();
    worst.insert(3, case("T1", 0.5));
    let page = html(&sample(), &worst);
    let at = |text: &str| page.find(text);
    assert_eq!(page.matches("<li>").count(), 7);
    assert!(at("error 8<").is_some() && at("error 8<") < at("error 3<"));
    assert_eq!(at("error 2<"), None);
    // In the report's order.
    assert!(at("id=\"test-T1\"") < at("id=\"test-T4\""));
}

#[test]
fn tags_are_closed() {
    let page = html(&sample(), &[case("T4", 0.4)]);
    for tag in [
        "table", "thead", "tbody", "tr", "td", "span", "section", "ol", "li", "figure", "div", "nav", "header", "body",
    ] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        assert!(opened > 0, "{tag}");
    }
}

#[test]
fn without_a_mistake_it_says_so() {
    let page = html(&sample(), &[]);
    assert!(page.contains("No case went wrong") && !page.contains("<nav"));
}

#[test]
fn bars_stay_within_their_scale() {
    let report = sample();
    let bars: Vec<String> = report.tests.iter().flat_map(|t| &t.measures).map(bar).collect();
    // Nothing to draw for 0 of 0, and for what has no number.
    assert_eq!((bars[0].as_str(), bars[5].as_str()), ("", ""));
    assert!(bars[1].contains("class=\"goal\" style=\"left:75.0%\""), "{}", bars[1]);
    for percent in bars
        .iter()
        .flat_map(|bar| bar.split([':', ';', '"']))
        .filter_map(|s| s.strip_suffix('%'))
    {
        let percent: f64 = percent.parse().unwrap();
        assert!((0.0..=100.0).contains(&percent));
    }
}
