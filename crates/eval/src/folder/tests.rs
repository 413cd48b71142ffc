use super::*;

const AXES: [&str; 3] = ["hair", "pose", "lighting"];

/// A folder with `a.png`, `b.png` and `sub/c d.png`, and this list.
fn folder(list: impl AsRef<[u8]>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for name in ["a.png", "b.png", "sub/c d.png"] {
        std::fs::write(folder.path().join(name), b"a picture").unwrap();
    }
    std::fs::write(folder.path().join(FILE), list).unwrap();
    folder
}

fn pairs(list: impl AsRef<[u8]>) -> Vec<KnownPair> {
    read(folder(list).path(), &AXES).unwrap()
}

/// The error without the folder, and what to do.
fn refused(list: impl AsRef<[u8]>) -> (String, String) {
    let folder = folder(list);
    let error = read(folder.path(), &AXES).unwrap_err();
    let at = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
    let text = error.to_string();
    (text.strip_prefix(&at).unwrap_or(&text).to_owned(), error.hint())
}

#[track_caller]
fn refuses(list: impl AsRef<[u8]>, text: &str, hint: &str) {
    let (found, to_do) = refused(list);
    assert_eq!(found, text);
    assert!(to_do.contains(hint), "{to_do}");
}

fn pair(line: u64, generated: &str, axes: &[(&str, f64)], overall: Option<f64>) -> KnownPair {
    KnownPair {
        line,
        reference: "a.png".into(),
        generated: generated.into(),
        axes: axes.iter().map(|(id, alike)| ((*id).to_owned(), *alike)).collect(),
        overall,
    }
}

#[test]
fn pairs_are_read_with_what_is_known_of_them() {
    let list =
        "generated,pose,reference,overall,hair\nb.png,0.5,a.png,1,0\nsub/c d.png,,a.png,,.25\nb.png, , a.png ,1e-1,\n";
    let expected = [
        pair(2, "b.png", &[("pose", 0.5), ("hair", 0.0)], Some(1.0)),
        pair(3, "sub/c d.png", &[("hair", 0.25)], None),
        pair(4, "b.png", &[], Some(0.1)),
    ];
    assert_eq!(pairs(list), expected);
    // What editors and spreadsheets make of it: a byte-order mark, \r\n, quotes, empty rows, no end of the last line.
    let list = format!(
        "\u{feff}\n{}\r\n,,,,\r\n",
        list.trim_end().replace('\n', "\r\n").replace("b.png", "\"b.png\"")
    );
    let expected = expected.map(|pair| KnownPair {
        line: pair.line + 1,
        ..pair
    });
    assert_eq!(pairs(list), expected);
}

#[test]
fn semicolons_and_decimal_commas_of_a_spreadsheet_are_read() {
    let expected = [pair(2, "sub/c d.png", &[("hair", 0.5)], Some(0.25))];
    assert_eq!(
        pairs("reference;generated;hair;overall\r\na.png;sub/c d.png;0,5;0.25\r\n"),
        expected
    );
    assert_eq!(
        pairs("reference\tgenerated\thair\toverall\na.png\tsub/c d.png\t0.5\t0,25"),
        expected
    );
}

#[test]
fn a_pair_of_which_nothing_is_known_is_left_out() {
    assert_eq!(
        pairs("reference,generated,hair\na.png,b.png,\na.png,b.png,1\n"),
        [pair(3, "b.png", &[("hair", 1.0)], None)]
    );
}

#[test]
fn the_line_is_right_below_blank_lines_and_quoted_line_ends() {
    for end in ["\n", "\r\n"] {
        let list = [
            "",
            "reference,generated,hair",
            "",
            "",
            "a.png,b.png,1",
            "",
            "a.png,b.png,7",
        ]
        .join(end);
        refuses(
            &list,
            "pairs.csv, line 7: column \"hair\" holds \"7\", which is not a number from 0 to 1",
            "0.5",
        );
    }
    let list = "reference,generated,hair\na.png,b.png,\"\n1\n\"\na.png,b.png,7";
    refuses(
        list,
        "pairs.csv, line 5: column \"hair\" holds \"7\", which is not a number from 0 to 1",
        "0.5",
    );
}

#[test]
fn a_column_nobody_knows_is_refused_with_near_names() {
    let text = "pairs.csv, line 1: column 3 is called \"hairs\", which is none of the rubric's axes";
    refuses("reference,generated,hairs\na.png,b.png,1", text, "hair,");
    let text = "pairs.csv, line 1: column 1 is called \"Reference\", which is none of the rubric's axes";
    refuses("Reference,generated,hair\na.png,b.png,1", text, "names: reference");
    let text = "pairs.csv, line 1: column 4 is called \"\", which is none of the rubric's axes";
    refuses("reference,generated,hair,\na.png,b.png,1,", text, "comma too many");
}

#[test]
fn columns_must_be_there_once() {
    let text = "pairs.csv, line 1: columns 3 and 4 are both called \"hair\"";
    refuses("reference,generated,hair,hair\na.png,b.png,1,0", text, "Remove one");
    refuses(
        "reference,hair\na.png,1",
        "pairs.csv, line 1: there is no column \"generated\"",
        "first line",
    );
    refuses(
        "hair",
        "pairs.csv, line 1: there is no column \"reference\"",
        "first line",
    );
    let text = "pairs.csv, line 1: no column says how alike the pictures are";
    refuses(
        "reference,generated\na.png,b.png",
        text,
        "overall, or one of the rubric's axes: hair, pose, lighting",
    );
}

#[test]
fn a_value_out_of_range_is_refused() {
    for cell in ["1.01", "-0.1", "NaN", "inf", "half", "50%"] {
        let text = format!("pairs.csv, line 3: column \"pose\" holds \"{cell}\", which is not a number from 0 to 1");
        refuses(
            format!("reference,generated,pose\na.png,b.png,1\na.png,b.png,{cell}"),
            &text,
            "0 (unrelated) to 1",
        );
    }
}

#[test]
fn a_line_with_other_cells_than_columns_is_refused() {
    let text = "pairs.csv, line 2: 4 cells, but there are 3 columns";
    refuses("reference,generated,hair\na.png,b.png,0,5", text, "quotation marks");
    let text = "pairs.csv, line 2: 2 cells, but there are 3 columns";
    refuses("reference,generated,hair\na.png,b.png", text, "empty");
}

#[test]
fn pictures_must_lie_below_the_folder() {
    let refuses = |path: &str, text: &str, hint: &str| {
        let list = format!("reference,generated,hair\na.png,{path},1");
        let (found, to_do) = refused(list);
        assert!(
            found.starts_with(&format!("pairs.csv, line 2: column \"generated\"{text}")),
            "{found}"
        );
        assert!(to_do.contains(hint), "{to_do}");
    };
    refuses("c.png", ": cannot find \"c.png\": ", "spelling");
    refuses("", " names no picture", "remove the line");
    refuses("sub", ": \"sub\" is not a regular file", "a picture");
    refuses(
        "sub/../b.png",
        ": \"sub/../b.png\" does not lie below the folder",
        "without ..",
    );
    refuses("../a.png", ": \"../a.png\" does not lie below the folder", "without ..");
    refuses(
        "/etc/passwd",
        ": \"/etc/passwd\" does not lie below the folder",
        "leading /",
    );
    #[cfg(unix)]
    refuses("sub\\c d.png", ": cannot find ", "Write / between");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let outside = folder("");
    let folder = folder("reference,generated,hair\na.png,link.png,1");
    let link = folder.path().join("link.png");
    std::os::unix::fs::symlink(outside.path().join("a.png"), &link).unwrap();
    let error = read(folder.path(), &AXES).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("\"link.png\" does not lie below the folder"),
        "{error}"
    );
    assert_eq!(error.line(), Some(2));
    // Within the folder a link is as good as a file.
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("sub/c d.png", &link).unwrap();
    assert_eq!(
        read(folder.path(), &AXES).unwrap(),
        [pair(2, "link.png", &[("hair", 1.0)], None)]
    );
}

#[test]
fn a_list_without_pairs_or_answers_is_refused() {
    refuses("", "pairs.csv: the list holds no pairs", "Add a line");
    refuses(
        "reference,generated,hair\n,,\n",
        "pairs.csv: the list holds no pairs",
        "Add a line",
    );
    let text = "pairs.csv: none of the 2 pairs says how alike its pictures are";
    refuses(
        "reference,generated,hair\na.png,b.png,\na.png,b.png,\n",
        text,
        "at least one cell",
    );
}

#[test]
fn a_folder_without_a_list_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(folder.path(), &AXES).unwrap_err();
    assert!(
        error.to_string().contains("pairs.csv: cannot read the list of pairs: "),
        "{error}"
    );
    assert!(error.hint().contains("reference,generated,overall"));
}

#[test]
fn other_encodings_are_refused() {
    let mut list = b"reference,generated,hair\na.png,b.png,1\na.png,f\xfcr.png,1\n".to_vec();
    refuses(&list, "pairs.csv: line 3 is not UTF-8 text", "UTF-8");
    list = "\u{feff}reference".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refuses(&list, "pairs.csv: line 1 is not UTF-8 text", "UTF-8");
}

#[test]
fn limits_hold() {
    let head = "reference,generated,hair\n";
    let most = format!("{head}{}", "a.png,b.png,1\n".repeat(MAX_PAIRS));
    assert_eq!(pairs(&most).len(), MAX_PAIRS);
    refuses(
        most + "a.png,b.png,1\n",
        "pairs.csv, line 20002: there are more than 20000 pairs",
        "Split",
    );
    let large = format!("{head}{}", "\n".repeat(MAX_BYTES as usize));
    refuses(large, "pairs.csv: the list is larger than 4 MiB", "Split");
}
