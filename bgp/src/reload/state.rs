//! What is known of the configuration's file, for status.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rcni_config::SpeakerConfig;

use super::report::Report;
use crate::control::model::{Configuration, Refused};

/// Errors that are shown.
const SHOWN: usize = 100;

/// Written by the reloader, read by whoever asks for the status.
#[derive(Debug)]
pub struct State {
    file: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    accepted: Instant,
    refused: Option<(Instant, Vec<String>)>,
    next_start: Vec<String>,
    warnings: Vec<String>,
}

impl State {
    /// The file was accepted at the daemon's start: it said `config`.
    #[must_use]
    pub fn new(file: &Path, config: &SpeakerConfig, now: Instant) -> Self {
        let warning = rcni_config::readable_passwords(file, config);
        Self {
            file: file.to_owned(),
            known: Mutex::new(Known {
                accepted: now,
                refused: None,
                next_start: Vec::new(),
                warnings: warning.iter().map(ToString::to_string).collect(),
            }),
        }
    }

    pub(super) fn accepted(&self, report: &Report) {
        let mut known = self.known();
        known.accepted = Instant::now();
        known.refused = None;
        known.next_start.clone_from(&report.next_start);
        known.warnings.clone_from(&report.warnings);
    }

    /// Since when stays, as long as it is not fine in between.
    pub(super) fn refused(&self, errors: Vec<String>) {
        let mut known = self.known();
        let since = known.refused.as_ref().map(|(since, _)| *since);
        known.refused = Some((since.unwrap_or_else(Instant::now), errors));
    }

    /// As status has it.
    #[must_use]
    pub fn status(&self, now: Instant) -> Configuration {
        let known = self.known();
        let secs = |since: Instant| now.saturating_duration_since(since).as_secs();
        Configuration {
            file: self.file.display().to_string(),
            accepted_seconds: secs(known.accepted),
            refused: known.refused.as_ref().map(|(since, errors)| Refused {
                since_seconds: secs(*since),
                error_count: errors.len(),
                errors: errors.iter().take(SHOWN).cloned().collect(),
            }),
            next_start: known.next_start.clone(),
            warnings: known.warnings.clone(),
        }
    }

    /// Nothing panics while it is held.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
