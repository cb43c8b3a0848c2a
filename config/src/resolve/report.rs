//! Where everything that is refused is collected.

use std::collections::HashMap;

use crate::raw::Place;
use crate::secrets::is_about_secrets;
use crate::{ConfigError, ConfigErrors};

/// A file full of mistakes is still answered on a few screens.
const MAX_ERRORS: usize = 100;
/// Of the text that comes from the file, this much is repeated in one error.
const MAX_TEXT: usize = 600;

/// The errors found so far in one file (or in one set of objects).
#[derive(Debug)]
pub struct Report {
    file: String,
    errors: Vec<ConfigError>,
    suppressed: usize,
    broken: Vec<(Option<String>, Option<String>)>,
    /// Per object, the fields that could not be read: nothing more is said about them.
    unread: HashMap<Label, Vec<String>>,
    secrets: Vec<String>,
}

impl Report {
    /// An empty report; `file` is the name shown in errors.
    #[must_use]
    pub fn new(file: &str) -> Self {
        Self {
            file: clean(file),
            errors: Vec::new(),
            suppressed: 0,
            broken: Vec::new(),
            unread: HashMap::new(),
            secrets: Vec::new(),
        }
    }

    pub(crate) fn refuse(&mut self, place: Place, field: &str, reason: &str, hint: &str) {
        if self.errors.len() >= MAX_ERRORS {
            self.suppressed += 1;
            return;
        }
        self.errors.push(ConfigError {
            file: self.file.clone(),
            line: place.known_line(),
            column: place.known_column(),
            field: clean(field),
            reason: clean(&hide(&self.secrets, reason)),
            hint: clean(&hide(&self.secrets, hint)),
        });
    }

    /// Refuses a field of an object, unless it was refused already when it was read: what follows
    /// from that is not worth another line.
    pub(crate) fn refuse_field(
        &mut self,
        place: Place,
        path: &str,
        label: &Label,
        reason: &str,
        hint: &str,
    ) {
        if self.is_full() {
            self.suppressed += 1;
            return;
        }
        if self.is_unread(path, label) {
            return;
        }
        let text = label.text.as_str();
        let space = if path.is_empty() || text.is_empty() {
            ""
        } else {
            " "
        };
        self.refuse(place, &format!("{path}{space}{text}"), reason, hint);
    }

    /// Whether a field, or one that it is in, could not be read.
    pub(crate) fn is_unread(&self, path: &str, label: &Label) -> bool {
        let covers = |unread: &String| {
            path.strip_prefix(unread.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.unread.get(label).into_iter().flatten().any(covers)
    }

    /// The same, for a field that cannot be read: no more is said about it and what is in it.
    pub(crate) fn refuse_unread(
        &mut self,
        place: Place,
        path: &str,
        label: &Label,
        reason: &str,
        hint: &str,
    ) {
        self.refuse_field(place, path, label, reason, hint);
        let unread = self.unread.entry(label.clone()).or_default();
        unread.push(path.to_owned());
    }

    /// No further errors will be shown.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// Texts that no error may repeat.
    pub(crate) fn hide(&mut self, secrets: Vec<String>) {
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        self.secrets.extend(secrets);
    }

    /// Remembers that a document could not be read, with its kind and name as far as known: what
    /// refers to it is then not an error of its own.
    pub(crate) fn remember_broken(&mut self, kind: Option<String>, name: Option<String>) {
        self.broken.push((kind, name));
    }

    /// Whether a document that could not be read may have been this one.
    pub(crate) fn may_be_broken(&self, kind: &str, name: Option<&str>) -> bool {
        self.broken.iter().any(|(broken_kind, broken_name)| {
            broken_kind.as_deref().is_none_or(|broken| broken == kind)
                && match (broken_name.as_deref(), name) {
                    (Some(broken), Some(name)) => broken == name,
                    _ => true,
                }
        })
    }

    pub(crate) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    /// The value if nothing was refused, else the errors in the order of their lines.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, ConfigErrors> {
        if let Some(value) = value
            && self.errors.is_empty()
        {
            return Ok(value);
        }
        if self.errors.is_empty() {
            // Every `None` comes with a refusal; an empty list of errors must not get out anyway.
            self.refuse(Place::default(), "", "nothing could be read from it", "");
        }
        self.errors.sort_by_key(|error| (error.line, error.column));
        if self.suppressed > 0 {
            self.errors.push(ConfigError {
                file: self.file,
                line: None,
                column: None,
                field: String::new(),
                reason: format!("{} further errors are not shown", self.suppressed),
                hint: "correct these first".to_owned(),
            });
        }
        Err(ConfigErrors(self.errors))
    }
}

/// Which object an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    /// As it is shown.
    pub(crate) text: String,
    /// Where its document is: names may be missing or given twice.
    line_offset: usize,
}

impl Label {
    pub(crate) fn new(kind: &str, name: Option<&str>, line_offset: usize) -> Self {
        let name = name.filter(|name| !name.is_empty());
        let text = if kind.is_empty() {
            name.map_or_else(String::new, |name| format!("({name})"))
        } else {
            format!("({kind} {})", name.unwrap_or("without a name"))
        };
        Self { text, line_offset }
    }
}

/// Without what stands in quotes, if a secret is in there. Only what is quoted comes from the file
/// as it is, and a long text may be cut.
fn hide(secrets: &[String], text: &str) -> String {
    const NEEDLE: usize = 24;
    let (Some(start), Some(end)) = (text.find(['"', '`']), text.rfind(['"', '`'])) else {
        return text.to_owned();
    };
    let (Some(before), Some(quoted), Some(after)) =
        (text.get(..start), text.get(start..end), text.get(end + 1..))
    else {
        return text.to_owned();
    };
    let shown = |secret: &String| {
        let start: String = secret.chars().take(NEEDLE).collect();
        quoted.contains(&start) || quoted.contains(&start.escape_debug().to_string())
    };
    if is_about_secrets(quoted) || secrets.iter().any(shown) {
        format!("{before}***{after}")
    } else {
        text.to_owned()
    }
}

/// Text from a file must neither move a terminal's cursor, nor change the order of what is on its
/// screen, nor fill it.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT));
    for (position, character) in text.chars().enumerate() {
        if position == MAX_TEXT {
            out.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Signs that show nothing themselves and change what is around them: directions of writing, joiners,
/// separators of lines.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
