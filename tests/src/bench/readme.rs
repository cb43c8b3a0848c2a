//! Puts a run's tables into a file, between two comments that the file already has.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::table::Table;

/// Before the tables.
pub const BEGIN: &str = "<!-- bench: what follows is written by `make bench WRITE=1` -->";
/// Behind them.
pub const END: &str = "<!-- bench: end -->";

/// Below a table that is of another machine or of other versions than the rest.
const ELSEWHERE: &str = "This table is of another run: ";

/// Replaces what is between the comments.
///
/// # Errors
/// The file cannot be read or written, or does not have both, once and in this order.
pub fn write(path: &Path, tables: &str) -> Result<()> {
    let place = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(place)?;
    let text = replace(&text, tables).with_context(place)?;
    std::fs::write(path, text).with_context(place)
}

/// Replaces the tables with the titles of `tables`, each by the one of this run. A new one comes
/// after the one that is before it in `tables`. If `on` is not the machine and the versions that stand
/// before all tables, it is said below each of these.
///
/// # Errors
/// As [`write`].
pub fn write_some(path: &Path, on: &str, tables: &[Table]) -> Result<()> {
    let place = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(place)?;
    let (_, rest) = text.split_once(BEGIN).unwrap_or_default();
    let (old, _) = rest.split_once(END).unwrap_or_default();
    let text = replace(&text, &merge(old.trim(), on, tables)).with_context(place)?;
    std::fs::write(path, text).with_context(place)
}

fn merge(old: &str, on: &str, tables: &[Table]) -> String {
    let mut blocks: Vec<String> = Vec::new();
    for paragraph in old.split("\n\n") {
        match blocks.last_mut() {
            // Title and text, then the cells, then where it was measured, if elsewhere.
            Some(last) if paragraph.starts_with('|') || paragraph.starts_with(ELSEWHERE) => {
                last.push_str("\n\n");
                last.push_str(paragraph);
            }
            _ => blocks.push(paragraph.to_owned()),
        }
    }
    let before = blocks.first().map(String::as_str).unwrap_or_default();
    let elsewhere = without_load(before) != without_load(on);
    let mut after = 0;
    for table in tables {
        let title = format!("**{}.**", table.title);
        let place = blocks.iter().position(|block| block.starts_with(&title));
        let mut text = table.to_string().trim().to_owned();
        if elsewhere {
            text.push_str(&format!("\n\n{ELSEWHERE}{on}"));
        }
        match place {
            Some(place) => {
                after = place;
                blocks[place] = text;
            }
            None => {
                after += 1;
                blocks.insert(after.min(blocks.len()), text);
            }
        }
    }
    blocks.join("\n\n")
}

/// The load is another one each time.
fn without_load(on: &str) -> Option<(&str, &str)> {
    let (machine, rest) = on.split_once("; load before the run ")?;
    let (_, versions) = rest.split_once(". ")?;
    Some((machine, versions))
}

fn replace(text: &str, tables: &str) -> Result<String> {
    let missing = || format!("there must be a line {BEGIN}, and later a line {END}");
    let (before, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    ensure!(!after.contains(BEGIN) && !after.contains(END), missing());
    let tables = tables.trim();
    Ok(format!("{before}{BEGIN}\n\n{tables}\n\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_comments_is_replaced() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = replace(&text, "new\n").unwrap();
        assert_eq!(once, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(replace(&once, "new").unwrap(), once);
    }

    #[test]
    fn some_tables_are_written_beside_others_of_the_same_machine() {
        let table = |title, cell: &str| Table {
            title,
            about: "About.".to_owned(),
            header: vec!["who"],
            rows: vec![vec![cell.to_owned()]],
        };
        let on = |load| format!("AMD EPYC; load before the run {load}. BIRD version 2.0.12.");
        let old = format!("{}\n\n{}\n{}", on(0.5), table("A", "a1"), table("C", "c1"));
        let new = [table("A", "a2"), table("B", "b2")];
        let merged = merge(old.trim(), &on(1.5), &new);
        let expected = format!(
            "{}\n\n{}\n{}\n{}",
            on(0.5),
            table("A", "a2"),
            table("B", "b2"),
            table("C", "c1")
        );
        assert_eq!(merged, expected.trim());
        assert_eq!(merge(&merged, &on(2.5), &new), merged);
        let other = on(0.5).replace("2.0", "2.1");
        let newer = merge(&merged, &other, &new[1..]);
        let own = format!(
            "{}\n\n{ELSEWHERE}{other}",
            table("B", "b2").to_string().trim()
        );
        assert!(newer.contains(&own), "{newer}");
        assert_eq!(newer.matches(ELSEWHERE).count(), 1);
        assert_eq!(merge(&newer, &other, &new[1..]), newer);
        assert_eq!(merge(&newer, &on(0.5), &new[1..]), merged);
    }

    #[test]
    fn a_file_without_the_comments_is_refused() {
        for text in [
            "nothing",
            BEGIN,
            &format!("{END}{BEGIN}"),
            &format!("{BEGIN}{END}{END}"),
        ] {
            assert!(replace(text, "new").is_err(), "{text}");
        }
    }

    #[test]
    fn the_readme_has_the_comments() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        replace(&std::fs::read_to_string(readme).unwrap(), "new").unwrap();
    }
}
