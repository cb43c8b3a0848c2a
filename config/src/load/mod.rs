//! From a file's bytes to a configuration.
//!
//! Everything is bounded before it is parsed: the file's size, the number of documents, and in each
//! document nesting, nodes and what aliases expand to. Every document is parsed on its own, so that
//! a mistake in one does not hide those in the others; in one document, only a mistake in the YAML
//! itself hides others (see [`mend`]).

mod document;
mod explain;
mod kind;
mod mend;
mod read;
mod split;
mod tree;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::raw::{FelixConfigurationSpec, Object, Place, SpeakerObjects};
use crate::resolve::{self, Report};
use crate::{ConfigError, ConfigErrors, FelixConfig, Security, SpeakerConfig};
use document::Header;
use kind::Kinds;
use split::Documents;
use tree::Node;

/// More than any network's worth of peers and filters.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Documents in one file.
pub const MAX_DOCUMENTS: usize = 10_000;

/// Reads `rcni-bgp`'s file; `-` is standard input.
///
/// # Errors
/// All that is wrong with it; nothing is used from a file with errors.
pub fn load_speaker(path: &Path) -> Result<SpeakerConfig, ConfigErrors> {
    let name = path.display().to_string();
    parse_speaker(&name, &read(&name, path)?)
}

/// The text of a file, bounded like everything that is parsed; `-` is standard input. For whoever has it
/// parsed elsewhere.
///
/// # Errors
/// It cannot be read, is too large, or no text.
pub fn read_text(path: &Path) -> Result<String, ConfigErrors> {
    read(&path.display().to_string(), path)
}

/// Reads `felix-lite`'s file; `-` is standard input.
///
/// # Errors
/// All that is wrong with it; nothing is used from a file with errors.
pub fn load_felix(path: &Path) -> Result<FelixConfig, ConfigErrors> {
    let name = path.display().to_string();
    parse_felix(&name, &read(&name, path)?)
}

/// What to say about a file that was accepted, but should not stay as it is: passwords that others
/// than its owner can read. Not an error, since volumes of a cluster have such modes and no other
/// users.
#[must_use]
pub fn readable_passwords(path: &Path, config: &SpeakerConfig) -> Option<ConfigError> {
    use std::os::unix::fs::PermissionsExt as _;

    config
        .peers
        .iter()
        .find(|peer| peer.security != Security::None)?;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| ConfigError {
        file: path.display().to_string(),
        line: None,
        column: None,
        field: String::new(),
        reason: format!("has passwords, and others than its owner may use it (mode {mode:04o})"),
        hint: "chmod 0600".to_owned(),
    })
}

/// As [`load_speaker`], for a text that was read already; `name` is the file's name in errors.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_speaker(name: &str, text: &str) -> Result<SpeakerConfig, ConfigErrors> {
    let mut report = Report::new(name);
    let objects = each_document(name, &mut report, text, &kind::SPEAKER_KINDS)?;
    resolve::misplaced_felix(&mut report, &objects.felix);
    resolve::speaker(report, &objects.speaker)
}

/// As [`load_felix`], for a text that was read already; `name` is the file's name in errors.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_felix(name: &str, text: &str) -> Result<FelixConfig, ConfigErrors> {
    let mut report = Report::new(name);
    let objects = each_document(name, &mut report, text, &kind::FELIX_KINDS)?;
    resolve::misplaced_speaker(&mut report, &objects.speaker);
    resolve::felix(report, &objects.felix)
}

/// All that a file has, also what does not belong there (which is in the report then, and looked at
/// all the same).
#[derive(Default)]
struct Objects {
    speaker: SpeakerObjects,
    felix: Vec<Object<FelixConfigurationSpec>>,
}

impl Objects {
    fn take(&mut self, report: &mut Report, root: Node, header: &Header, lines: usize) {
        let speaker = &mut self.speaker;
        match header.kind.as_str() {
            "BGPConfiguration" => speaker
                .configurations
                .extend(read_spec(report, root, header, lines)),
            "BGPPeer" => speaker.peers.extend(read_spec(report, root, header, lines)),
            "BGPFilter" => speaker
                .filters
                .extend(read_spec(report, root, header, lines)),
            "BFDProfile" => speaker
                .bfd_profiles
                .extend(read_spec(report, root, header, lines)),
            "FelixConfiguration" => self.felix.extend(read_spec(report, root, header, lines)),
            _ => only_around_spec(report, root, header, lines),
        }
    }
}

/// Of a document of which nobody knows what it is: what all documents have.
fn only_around_spec(report: &mut Report, mut root: Node, header: &Header, lines: usize) {
    root.set("spec", Node::any(Place::default()));
    let label = header.label(lines);
    let object: Option<Object<IgnoredAny>> = mend::object(report, &mut root, &label, lines);
    if let Some(object) = object
        && let Err((reason, hint)) = resolve::object_name(&object.name.value)
    {
        let place = object.name.place.moved_down(lines);
        report.refuse_field(place, "metadata.name", &label, reason, hint);
    }
}

fn refused(name: &str, reason: &str, hint: &str) -> ConfigErrors {
    let mut report = Report::new(name);
    report.refuse(Place::default(), "", reason, hint);
    ConfigErrors(report.into_errors())
}

/// Names that mean whatever the program is given to read.
const STANDARD_INPUT: [&str; 2] = ["-", "/dev/stdin"];

fn read(name: &str, path: &Path) -> Result<String, ConfigErrors> {
    let unreadable = |error: std::io::Error| {
        refused(
            name,
            &format!("cannot be read: {error}"),
            "check the path and its permissions",
        )
    };
    let mut bytes = Vec::new();
    if STANDARD_INPUT.iter().any(|known| Path::new(known) == path) {
        let mut input = std::io::stdin().lock().take(MAX_FILE_BYTES + 1);
        input.read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        // A pipe or device would block or never end, and a pipe already when it is opened.
        let regular = std::fs::metadata(path).map_err(unreadable)?.is_file();
        if !regular {
            let hint = "name a YAML file, or - to read standard input";
            return Err(refused(name, "is not a regular file", hint));
        }
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(name));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let mut report = Report::new(name);
        let place = Place {
            line: lines + 1,
            column: 0,
        };
        let reason = format!("is not UTF-8 text (at byte {valid})");
        report.refuse(place, "", &reason, "save it as UTF-8");
        ConfigErrors(report.into_errors())
    })
}

fn too_large(name: &str) -> ConfigErrors {
    let reason = format!("is larger than {MAX_FILE_BYTES} bytes");
    refused(
        name,
        &reason,
        "a configuration is never that large: check that it is the right file",
    )
}

/// Reads every document as what it says or seems to be.
fn each_document(
    name: &str,
    report: &mut Report,
    text: &str,
    kinds: &Kinds,
) -> Result<Objects, ConfigErrors> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(name));
    }
    let mut objects = Objects::default();
    let mut documents = 0;
    for slice in Documents::of(text) {
        documents += 1;
        if documents > MAX_DOCUMENTS {
            let reason = format!("has more than {MAX_DOCUMENTS} documents");
            return Err(refused(name, &reason, "check that it is the right file"));
        }
        match document::tree(report, &slice) {
            Err(error) => {
                let header = document::header_above_spec(&slice);
                explain::explain(report, &slice, header.as_ref(), &error);
                let (kind, name) = header.map(|header| (header.kind, header.name)).unzip();
                report.remember_broken(kind, name.flatten());
            }
            Ok(mut root) => {
                if let Some(header) = document::check(report, &slice, &mut root, kinds) {
                    objects.take(report, root, &header, slice.line_offset);
                }
            }
        }
    }
    if documents == 0 {
        let hint = format!("write at least a {}; see config/samples", kinds.own[0]);
        return Err(refused(name, "is empty", &hint));
    }
    Ok(objects)
}

fn read_spec<S: DeserializeOwned>(
    report: &mut Report,
    mut root: Node,
    header: &Header,
    line_offset: usize,
) -> Option<Object<S>> {
    let object = mend::object(report, &mut root, &header.label(line_offset), line_offset);
    if object.is_none() {
        report.remember_broken(Some(header.kind.clone()), header.name.clone());
    }
    object
}
