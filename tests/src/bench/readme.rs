//! Puts a run's tables into a file, between two comments that the file already has.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Before the tables.
pub const BEGIN: &str = "<!-- bench: what follows is written by `make bench WRITE=1` -->";
/// Behind them.
pub const END: &str = "<!-- bench: end -->";

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
