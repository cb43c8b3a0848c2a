//! The secret of a session.

use std::fmt;

/// The longest key that the kernel takes (`TCP_MD5SIG_MAXKEYLEN`, `TCP_AO_MAXKEYLEN`).
pub const MAX_BYTES: usize = 80;

/// A key for TCP MD5 signatures (RFC 2385) or the TCP Authentication Option (RFC 5925): 1 to 80 bytes without control characters. Shows itself
/// as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why a text is not a [`Password`]; never with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Longer than the kernel takes.
    #[error("has {0} bytes, and the kernel takes keys of at most 80")]
    TooLong(usize),
    /// Most likely the end of a block of text: the peer's has none.
    #[error("has a control character or line end in it")]
    Control,
}

impl Password {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn new(text: &str) -> Result<Self, PasswordError> {
        match text.len() {
            0 => Err(PasswordError::Empty),
            length if length > MAX_BYTES => Err(PasswordError::TooLong(length)),
            _ if text.contains(char::is_control) => Err(PasswordError::Control),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The secret itself, for the kernel alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(Password::new(""), Err(PasswordError::Empty));
        assert!(Password::new(&"x".repeat(80)).is_ok());
        assert_eq!(
            Password::new(&"x".repeat(81)),
            Err(PasswordError::TooLong(81))
        );
        // Bytes, not letters.
        assert!(Password::new(&"ü".repeat(40)).is_ok());
        assert!(Password::new(&"ü".repeat(41)).is_err());
        assert_eq!(Password::new("a\n"), Err(PasswordError::Control));
        assert_eq!(Password::new("a b").unwrap().expose(), "a b");
    }

    #[test]
    fn it_hides_itself() {
        let password = Password::new("hunter2").unwrap();
        assert_eq!(
            format!("{password} {password:?} {password:#?}"),
            "*** *** ***"
        );
    }
}
