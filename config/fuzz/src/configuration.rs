//! A text as the file of either daemon.

use std::fmt::Debug;

use rcni_config::{ConfigErrors, parse_felix, parse_speaker};

/// At most so many errors are shown, and one line that says how many more there are.
const ERRORS_MAX: usize = 101;
/// Octets of one error, with what it quotes of the file.
const ERROR_MAX: usize = 4096;

/// Never a panic; what is refused is explained in bounded, printable lines, and the same text has
/// the same answer.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    check(text, parse_speaker);
    check(text, parse_felix);
}

fn check<T: Debug>(text: &str, parse: impl Fn(&str, &str) -> Result<T, ConfigErrors>) {
    let answer = parse("some.yaml", text);
    let again = parse("some.yaml", text);
    assert_eq!(format!("{answer:?}"), format!("{again:?}"));
    let Err(errors) = answer else { return };
    assert!(
        (1..=ERRORS_MAX).contains(&errors.0.len()),
        "{}",
        errors.0.len()
    );
    for error in &errors {
        let line = error.to_string();
        assert!(!error.reason.is_empty(), "{error:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() <= ERROR_MAX, "{} octets", line.len());
    }
}
