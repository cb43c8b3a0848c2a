//! From a file's bytes to a configuration.

use std::path::Path;

use crate::{ConfigError, ConfigErrors, FelixConfig, SpeakerConfig};

/// Reads `rcni-bgp`'s file.
///
/// # Errors
/// All that is wrong with it; nothing is used from a file with errors.
pub fn load_speaker(path: &Path) -> Result<SpeakerConfig, ConfigErrors> {
    parse_speaker(&path.display().to_string(), "")
}

/// Reads `felix-lite`'s file.
///
/// # Errors
/// All that is wrong with it; nothing is used from a file with errors.
pub fn load_felix(path: &Path) -> Result<FelixConfig, ConfigErrors> {
    parse_felix(&path.display().to_string(), "")
}

/// As [`load_speaker`], for a text that was read already; `name` is the file's name in errors.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_speaker(name: &str, _text: &str) -> Result<SpeakerConfig, ConfigErrors> {
    Err(unfinished(name))
}

/// As [`load_felix`], for a text that was read already; `name` is the file's name in errors.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_felix(name: &str, _text: &str) -> Result<FelixConfig, ConfigErrors> {
    Err(unfinished(name))
}

fn unfinished(name: &str) -> ConfigErrors {
    ConfigErrors(vec![ConfigError {
        file: name.to_owned(),
        line: None,
        column: None,
        field: String::new(),
        reason: "reading configuration files comes with the next commits".to_owned(),
        hint: String::new(),
    }])
}
