//! A file with about every mistake that there is, answered in one run.

use super::*;

/// One line for each mistake, in the order of the file, and nothing else.
#[track_caller]
fn answers(errors: &rcni_config::ConfigErrors, expected: &str, at_least: usize) {
    let found = format!("{errors}\n");
    assert_eq!(found, expected, "\n{found}");
    assert!(found.lines().count() >= at_least);
    let lines: Vec<usize> = errors.iter().map(|error| error.line.unwrap()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    for error in errors {
        assert!(
            !error.reason.is_empty() && !error.hint.is_empty(),
            "{error}"
        );
        let no_object = error.reason == "wrong type";
        assert!(error.column.is_some(), "{error:?}");
        assert!(!error.field.is_empty() || no_object, "{error:?}");
    }
}

#[test]
fn the_speaker_s_file() {
    let text = include_str!("../golden/mistakes-bgp.yaml");
    let errors = parse_speaker("bgp.yaml", text).unwrap_err();
    answers(&errors, include_str!("../golden/mistakes-bgp.txt"), 35);
}

#[test]
fn the_agent_s_file() {
    let text = include_str!("../golden/mistakes-felix.yaml");
    let errors = parse_felix("felix.yaml", text).unwrap_err();
    answers(&errors, include_str!("../golden/mistakes-felix.txt"), 15);
}
