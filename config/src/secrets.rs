//! Which names come with a secret.

/// What names of fields with a secret have in them, mistyped ones too.
const NAMES: [&str; 2] = ["passw", "secret"];

/// Whether a line or a field's name may come with a secret.
pub(crate) fn is_about_secrets(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    NAMES.iter().any(|name| text.contains(name))
}

/// `tcpAO`: a field whose fields have secrets.
pub(crate) fn is_around_secrets(key: &str) -> bool {
    plain(key).contains("tcpao")
}

/// The fields beside a secret of `tcpAO`, which may be shown.
pub(crate) fn is_beside_secrets(key: &str) -> bool {
    matches!(plain(key).as_str(), "sendid" | "receiveid" | "algorithm")
}

fn plain(key: &str) -> String {
    let letters = key.chars().filter(char::is_ascii_alphanumeric);
    letters.collect::<String>().to_ascii_lowercase()
}
