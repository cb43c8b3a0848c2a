//! Text that came from outside, made harmless for terminals and logs.

/// Control characters become escapes; a line stays a line.
#[must_use]
pub fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let harmless = !c.is_control() && !is_bidi(c);
            let escaped = (!harmless).then(|| c.escape_default());
            escaped.into_iter().flatten().chain(harmless.then_some(c))
        })
        .collect()
}

/// Characters that turn the direction of what follows: they can make a line read as another.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn escapes_what_moves_the_cursor_and_keeps_the_rest() {
        assert_eq!(escape("Wartung bis 5 Uhr, ö"), "Wartung bis 5 Uhr, ö");
        assert_eq!(
            escape("a\nb\x1b[2Jc\u{202e}d"),
            "a\\nb\\u{1b}[2Jc\\u{202e}d"
        );
    }
}
