//! No text makes the reader panic, and what it refuses it always explains.

use proptest::prelude::*;
use rcni_config::{ConfigErrors, parse_felix, parse_speaker};

const SAMPLES: [&str; 6] = [
    include_str!("../samples/two-node/node1-bgp.yaml"),
    include_str!("../samples/two-node/tor-bgp.yaml"),
    include_str!("../samples/two-node/node1-felix.yaml"),
    include_str!("../samples/dual-stack/node1-bgp.yaml"),
    include_str!("golden/mistakes-bgp.yaml"),
    include_str!("golden/mistakes-felix.yaml"),
];

/// Words that YAML or the fields care about, to be put anywhere.
const WORDS: [&str; 30] = [
    "---\n",
    "...\n",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!x ",
    "|\n",
    ">\n",
    "\"",
    "'",
    "#",
    "\n",
    "\t",
    "\r",
    "\0",
    "\u{feff}",
    "0",
    "-1",
    "99999999999999999999",
    "null",
    "true",
    "/0",
    "::",
];

fn check<T>(text: &str, answer: Result<T, ConfigErrors>) -> Result<(), TestCaseError> {
    let Err(errors) = answer else { return Ok(()) };
    prop_assert!(!errors.0.is_empty());
    let lines = text
        .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .count();
    for error in &errors {
        prop_assert!(!error.reason.is_empty(), "{error:?}");
        prop_assert!(
            error
                .line
                .is_none_or(|line| (1..=lines + 1).contains(&line)),
            "{error:?}"
        );
        prop_assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    Ok(())
}

fn check_both(text: &str) -> Result<(), TestCaseError> {
    check(text, parse_speaker("any.yaml", text))?;
    check(text, parse_felix("any.yaml", text))
}

/// Cuts, repeats and inserts at character boundaries of a valid file.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0..12_usize,
        prop::option::of(0..WORDS.len()),
    );
    (0..SAMPLES.len(), prop::collection::vec(edit, 1..6)).prop_map(|(sample, edits)| {
        let mut chars: Vec<char> = SAMPLES[sample].chars().collect();
        for (at, removed, word) in edits {
            let at = at.index(chars.len() + 1);
            let end = (at + removed).min(chars.len());
            let inserted = word.map_or("", |word| WORDS[word]);
            chars.splice(at..end, inserted.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text(text in any::<String>()) {
        check_both(&text)?;
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_both(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn random_words(words in prop::collection::vec(0..WORDS.len(), 0..60)) {
        let text: String = words.into_iter().map(|word| WORDS[word]).collect();
        check_both(&text)?;
    }

    #[test]
    fn mutated_files(text in mutated()) {
        check_both(&text)?;
    }

    #[test]
    fn cidrs_from_any_text(text in "[0-9a-f.:/]{0,45}") {
        if let Ok(cidr) = text.parse::<rcni_config::Cidr>() {
            prop_assert_eq!(cidr.network().network(), cidr.ip());
            prop_assert_eq!(cidr.to_string().parse::<rcni_config::Cidr>(), Ok(cidr));
        }
    }
}
