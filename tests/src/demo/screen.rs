//! How the demo looks: 80 columns, colour only on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use crate::interrupt;

/// Columns that every line fits into.
const WIDTH: usize = 80;

/// Standard output of the demo.
#[derive(Debug)]
pub(super) struct Screen {
    colour: bool,
    start: Instant,
    failed: Vec<String>,
    passed: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colour,
            start: Instant::now(),
            failed: Vec::new(),
            passed: 0,
        }
    }

    /// A line as it is; whoever closed standard output does not want to know.
    pub(super) fn line(&self, text: &str) {
        // Not what follows from an interrupt: it would look like a failed claim.
        interrupt::hold();
        let mut out = std::io::stdout();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn heading(&self, text: &str) {
        let rule = "-".repeat(WIDTH.saturating_sub(text.len() + 4));
        self.line("");
        self.line(&self.painted("1", &format!("-- {text} {rule}")));
    }

    /// What is being done, with the time since the start.
    pub(super) fn step(&self, text: &str) {
        let seconds = self.start.elapsed().as_secs_f64();
        self.line(&format!(
            "{} {text}",
            self.painted("2", &format!("[{seconds:6.2} s]"))
        ));
    }

    /// A command and what it said, indented; long lines are folded, never cut.
    pub(super) fn command(&self, place: &str, command: &str, said: &str) {
        let prompt = format!("{place}# {command}");
        self.line(&self.painted("36", &prompt));
        for line in said.trim_end().lines() {
            fold(line, 2).iter().for_each(|part| self.line(part));
        }
    }

    /// A claim, and whether what was seen bears it out.
    pub(super) fn claim(&mut self, holds: bool, claim: &str) {
        let mark = if holds {
            self.painted("32", "  ok  ")
        } else {
            self.painted("31", " FAIL ")
        };
        let parts = fold(claim, 6);
        for (index, part) in parts.iter().enumerate() {
            let rest = part.trim_start();
            self.line(&if index == 0 {
                format!("{mark}{rest}")
            } else {
                format!("      {rest}")
            });
        }
        if holds {
            self.passed += 1;
        } else {
            self.failed.push(claim.to_owned());
        }
    }

    /// The last lines; true if every claim held.
    pub(super) fn summary(&self) -> bool {
        self.heading("result");
        self.line(&format!(
            "{} claims checked, {} held, {:.1} s",
            self.passed + self.failed.len(),
            self.passed,
            self.start.elapsed().as_secs_f64()
        ));
        self.failed
            .iter()
            .for_each(|claim| self.line(&self.painted("31", &format!("FAIL {claim}"))));
        self.failed.is_empty()
    }
}

/// Breaks a line at spaces so that it fits, with continuation lines indented by four more.
fn fold(line: &str, indent: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = line.trim_end();
    let mut margin = indent;
    loop {
        let room = WIDTH - margin;
        if rest.chars().count() <= room {
            parts.push(format!("{}{rest}", " ".repeat(margin)));
            return parts;
        }
        let limit = rest
            .char_indices()
            .nth(room)
            .map_or(rest.len(), |(at, _)| at);
        // A break before half of the line is worse than one inside of a word.
        let at = rest[..limit]
            .rfind(' ')
            .filter(|at| *at > limit / 2)
            .unwrap_or(limit);
        let (part, after) = rest.split_at(at);
        parts.push(format!("{}{}", " ".repeat(margin), part.trim_end()));
        rest = after.trim_start();
        margin = indent + 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_and_nothing_is_lost() {
        let line = format!("{} {}", "word ".repeat(40), "x".repeat(200));
        let parts = fold(&line, 2);
        assert!(parts.len() > 3);
        assert!(
            parts.iter().all(|part| part.chars().count() <= WIDTH),
            "{parts:#?}"
        );
        let joined: String = parts.concat().split_whitespace().collect();
        assert_eq!(joined, line.split_whitespace().collect::<String>());
    }

    #[test]
    fn a_line_of_many_bytes_is_not_split_inside_of_a_character() {
        let parts = fold(&"ä".repeat(200), 0);
        assert_eq!(parts.concat().chars().filter(|c| *c == 'ä').count(), 200);
    }
}
