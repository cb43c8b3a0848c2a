//! Repetitions, and the file that keeps them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Event, Setup};

/// Which repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Where.
    #[serde(flatten)]
    pub setup: Setup,
    /// What.
    pub event: Event,
    /// From 0 on.
    pub repetition: usize,
}

/// What one of them showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Packets of node1's pod that were lost.
    pub from_node: u64,
    /// Packets to it.
    pub to_node: u64,
    /// Of both, when it was undone.
    pub back: u64,
    /// The connection to the outside is still the same.
    pub held: bool,
}

#[derive(Serialize, Deserialize)]
struct Line {
    machine: String,
    #[serde(flatten)]
    key: Key,
    #[serde(flatten)]
    sample: Sample,
}

/// All that is known.
#[derive(Default)]
pub struct Results {
    known: BTreeMap<Key, Sample>,
    machine: String,
    file: Option<File>,
}

impl Results {
    /// Those in the file, which then gets what is added. A last line that is half written does not count.
    /// `machine`: which this one is.
    ///
    /// # Errors
    /// It cannot be read or written, has something else in it, or repetitions of another machine.
    pub fn open(path: Option<&Path>, machine: &str) -> Result<Self> {
        let machine = machine.to_owned();
        let Some(path) = path else {
            return Ok(Self {
                machine,
                ..Self::default()
            });
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut known = BTreeMap::new();
        for (number, line) in (1..).zip(whole.lines()) {
            let line: Line = serde_json::from_str(line).with_context(|| {
                format!(
                    "{}:{number}: not a repetition; remove the file to begin anew",
                    path.display()
                )
            })?;
            ensure!(
                line.machine == machine,
                "{}:{number}: a repetition of another machine ({}); remove the file to begin anew",
                path.display(),
                line.machine
            );
            known.insert(line.key, line.sample);
        }
        std::fs::write(path, whole).with_context(|| path.display().to_string())?;
        let file = File::options().append(true).open(path)?;
        Ok(Self {
            known,
            machine,
            file: Some(file),
        })
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.known.contains_key(key)
    }

    pub(super) fn add(&mut self, key: Key, sample: Sample) -> Result<()> {
        self.known.insert(key, sample);
        if let Some(file) = &mut self.file {
            let machine = self.machine.clone();
            let line = Line {
                machine,
                key,
                sample,
            };
            writeln!(file, "{}", serde_json::to_string(&line)?)?;
        }
        Ok(())
    }

    /// All repetitions of an event.
    #[must_use]
    pub fn of(&self, setup: Setup, event: Event) -> Vec<Sample> {
        let is_it = |(key, _): &(&Key, &Sample)| key.setup == setup && key.event == event;
        self.known.iter().filter(is_it).map(|(_, s)| *s).collect()
    }

    /// What was measured, in order.
    #[must_use]
    pub fn rows(&self) -> Vec<(Setup, Event)> {
        let mut rows: Vec<(Setup, Event)> = self
            .known
            .keys()
            .map(|key| (key.setup, key.event))
            .collect();
        rows.dedup();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::super::Speaker;
    use super::*;

    #[test]
    fn a_run_goes_on_where_it_was_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let key = |repetition| Key {
            setup: Setup {
                speaker: Speaker::Rcni,
                bfd: true,
                routes: 10,
            },
            event: Event::LinkDown,
            repetition,
        };
        let sample = Sample {
            from_node: 3,
            ..Sample::default()
        };
        let mut results = Results::open(Some(&path), "one").unwrap();
        results.add(key(0), sample).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"speaker\":\"rc");
        std::fs::write(&path, text).unwrap();
        let mut results = Results::open(Some(&path), "one").unwrap();
        assert!(results.has(&key(0)) && !results.has(&key(1)));
        results.add(key(1), sample).unwrap();
        let results = Results::open(Some(&path), "one").unwrap();
        assert_eq!(results.of(key(0).setup, Event::LinkDown), [sample; 2]);
        let error = Results::open(Some(&path), "another").err().unwrap();
        assert!(error.to_string().contains("(one)"), "{error}");
        std::fs::write(&path, "what\n").unwrap();
        assert!(Results::open(Some(&path), "one").is_err());
    }
}
