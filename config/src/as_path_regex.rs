//! Regular expressions over AS paths.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

/// The longest pattern in bytes.
pub const MAX_PATTERN: usize = 256;
/// What a compiled pattern may take: `(.{9}){9}` is short, too.
const MAX_COMPILED: usize = 32 * 1024;
/// How deep groups may lie in one another.
const MAX_NESTING: u32 = 16;
/// What `_` stands for: the start, the end, or what separates two numbers in a path (also those of a
/// set or of a confederation).
const BOUNDARY: &str = "(?:^|$|[ ,{}()])";

/// A regular expression that is looked for in a path such as `65001 65002 {65003}`: decimal numbers
/// with one space between them. `_` is as in other routers. Matching takes time that is linear in the
/// path's length.
#[derive(Clone, Debug)]
pub struct AsPathRegex {
    pattern: String,
    regex: Regex,
}

/// Why a text is not an [`AsPathRegex`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsPathRegexError {
    /// It would match everything.
    #[error("is empty")]
    Empty,
    /// More than [`MAX_PATTERN`] bytes.
    #[error("has {0} bytes, and {MAX_PATTERN} are the most")]
    TooLong(usize),
    /// Not a regular expression, or one that is too large once compiled.
    #[error("{0}")]
    Syntax(String),
}

impl AsPathRegex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// [`AsPathRegexError`].
    pub fn new(pattern: &str) -> Result<Self, AsPathRegexError> {
        if pattern.is_empty() {
            return Err(AsPathRegexError::Empty);
        }
        if pattern.len() > MAX_PATTERN {
            return Err(AsPathRegexError::TooLong(pattern.len()));
        }
        let regex = RegexBuilder::new(&expanded(pattern))
            .size_limit(MAX_COMPILED)
            .nest_limit(MAX_NESTING)
            .build()
            .map_err(|error| AsPathRegexError::Syntax(error.to_string()))?;
        Ok(Self {
            pattern: pattern.to_owned(),
            regex,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Compiled. To clone it is cheap.
    #[must_use]
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// Whether it matches somewhere in `path`.
    #[must_use]
    pub fn is_match(&self, path: &str) -> bool {
        self.regex.is_match(path)
    }
}

/// With every `_` written out, but for those that are escaped or in brackets.
fn expanded(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    let mut bracket = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                out.push(character);
                out.extend(characters.next());
                continue;
            }
            '[' => bracket = true,
            ']' => bracket = false,
            '_' if !bracket => {
                out.push_str(BOUNDARY);
                continue;
            }
            _ => {}
        }
        out.push(character);
    }
    out
}

impl PartialEq for AsPathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for AsPathRegex {}

impl fmt::Display for AsPathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_underscore_is_what_is_around_a_number() {
        let path = "65001 165002 {65003,65004} 65005";
        for (pattern, expected) in [
            ("_65001_", true),
            ("^65001_", true),
            ("65002", true),
            ("_65002_", false),
            ("_65003_", true),
            ("_65004_", true),
            ("_65005_", true),
            ("_65005$", true),
            ("^65005", false),
            ("_6500[1-4]_1", true),
            (r"\{65003", true),
            ("^65001 165002 ", true),
            ("^$", false),
            ("_(65007|165002)_", true),
        ] {
            let regex = AsPathRegex::new(pattern).unwrap();
            assert_eq!(regex.is_match(path), expected, "{pattern}");
            assert_eq!(regex.pattern(), pattern);
        }
        assert!(AsPathRegex::new("^$").unwrap().is_match(""));
        assert!(AsPathRegex::new("^_$").unwrap().is_match(""));
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused() {
        for pattern in ["(", "[65001", "*", r"\", "65001{", "(?<n>", r"\1"] {
            let error = AsPathRegex::new(pattern).unwrap_err();
            assert!(matches!(error, AsPathRegexError::Syntax(_)), "{pattern}");
        }
        assert_eq!(AsPathRegex::new(""), Err(AsPathRegexError::Empty));
        let long = "1".repeat(257);
        assert_eq!(AsPathRegex::new(&long), Err(AsPathRegexError::TooLong(257)));
        for pattern in [
            "((1{99}){99}){99}",
            ".{9999}",
            &format!("{}1{}", "(".repeat(20), ")".repeat(20)),
        ] {
            let error = AsPathRegex::new(pattern).unwrap_err();
            assert!(matches!(error, AsPathRegexError::Syntax(_)), "{pattern}");
        }
    }
}
