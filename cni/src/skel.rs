//! The edge: environment, stdin and stdout as one struct, so that every verb runs in a test as it
//! runs in a process.
//!
//! Protocol: one verb per execution; one JSON document on stdout (the result or the error object)
//! or none; exit status 0 or 1. Nothing is written to stderr but what a person asked for.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;

use crate::command::{self, Args, Request};
use crate::error::{CniError, code};
use crate::naming::Attachment;
use crate::netconf::{self, STDIN_MAX, SpecVersion};

const ABOUT: &str = concat!(
    "rcni ",
    env!("CARGO_PKG_VERSION"),
    ": CNI plugin, a veth pair and one host route per pod, no bridge"
);

const HELP: &str = "
A container runtime runs this program; a person rarely has to. It takes the verb from CNI_COMMAND
(ADD, DEL, CHECK, VERSION), the pod from CNI_CONTAINERID, CNI_NETNS and CNI_IFNAME, and one plugin's
configuration as JSON on stdin.

Install it as /opt/cni/bin/rcni; felix-lite writes /etc/cni/net.d/10-rcni.conflist.

Examples, as root:
  CNI_COMMAND=VERSION rcni </dev/null

  ip netns add pod1
  export CNI_CONTAINERID=pod1 CNI_NETNS=/run/netns/pod1 CNI_IFNAME=eth0
  conf='{\"cniVersion\": \"1.0.0\", \"name\": \"rcni\", \"type\": \"rcni\",
         \"ipam\": {\"type\": \"rcni\", \"ranges\": [[{\"subnet\": \"10.244.1.0/24\"}],
                                              [{\"subnet\": \"fd00:10:244:1::/64\"}]]}}'
  echo \"$conf\" | CNI_COMMAND=ADD rcni
  echo \"$conf\" | CNI_COMMAND=DEL rcni

Options: --version, --help
";

/// All that a process has to do with its surroundings.
pub struct Edge {
    /// Arguments, without the program's name.
    pub arguments: Vec<OsString>,
    /// The environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// Whether a person sits at stdin.
    pub interactive: bool,
    /// The configuration.
    pub stdin: Box<dyn Read>,
    /// The result.
    pub stdout: Box<dyn Write>,
    /// Free-form text.
    pub stderr: Box<dyn Write>,
}

impl Edge {
    /// This process's own.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            arguments: std::env::args_os().skip(1).collect(),
            environment: std::env::vars_os().collect(),
            interactive: io::stdin().is_terminal(),
            stdin: Box::new(io::stdin()),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Del,
    Check,
    Version,
}

/// Runs one verb; returns the exit status.
pub fn run(edge: &mut Edge) -> u8 {
    if !edge.environment.contains_key(OsStr::new("CNI_COMMAND"))
        && let Some(status) = by_hand(edge)
    {
        return status;
    }
    let mut stdin = Vec::new();
    let outcome = verb(&edge.environment)
        .and_then(|verb| Ok((verb, read_stdin(edge.stdin.as_mut(), &mut stdin)?)))
        .and_then(|(verb, ())| serve(edge, verb, &stdin));
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            let asked = netconf::peek_version(&stdin);
            let known = SpecVersion::ALL.map(SpecVersion::as_str);
            let version = asked
                .as_deref()
                .filter(|asked| known.contains(asked))
                .unwrap_or(SpecVersion::V1_0_0.as_str());
            // If even this cannot be written, the exit status is all that is left.
            let _ = print(edge, &error.to_json(version));
            1
        }
    }
}

/// What a person at a terminal gets. `None` if it is a runtime that forgot the verb.
fn by_hand(edge: &mut Edge) -> Option<u8> {
    let option = edge
        .arguments
        .first()
        .and_then(|argument| argument.to_str());
    let (text, to_stdout) = match option {
        Some("--version" | "-V") => (format!("rcni {}\n", env!("CARGO_PKG_VERSION")), true),
        Some("--help" | "-h") => (format!("{ABOUT}\n{HELP}"), true),
        None if !edge.interactive && edge.arguments.is_empty() => return None,
        None if edge.arguments.is_empty() => {
            let text = format!("{ABOUT}\nA container runtime runs it; `rcni --help` says more.\n");
            (text, false)
        }
        _ => {
            let text = format!("{ABOUT}\nunknown argument; `rcni --help` lists what there is\n");
            let _ = edge.stderr.write_all(text.as_bytes());
            return Some(1);
        }
    };
    let target = if to_stdout {
        &mut edge.stdout
    } else {
        &mut edge.stderr
    };
    let written = target
        .write_all(text.as_bytes())
        .and_then(|()| target.flush());
    Some(u8::from(written.is_err()))
}

fn verb(environment: &BTreeMap<OsString, OsString>) -> Result<Verb, CniError> {
    let details = "set CNI_COMMAND to ADD, DEL, CHECK or VERSION";
    match text(environment, "CNI_COMMAND")? {
        Some("ADD") => Ok(Verb::Add),
        Some("DEL") => Ok(Verb::Del),
        Some("CHECK") => Ok(Verb::Check),
        Some("VERSION") => Ok(Verb::Version),
        Some(later @ ("GC" | "STATUS")) => Err(CniError::environment(
            format!("CNI_COMMAND {later} is not offered yet"),
            "use cniVersion 1.0.0 in the conflist: runtimes call GC and STATUS from 1.1.0 on",
        )),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            Err(CniError::environment(
                format!("CNI_COMMAND {shown:?} is not a verb"),
                details,
            ))
        }
        None => Err(CniError::environment("CNI_COMMAND is missing", details)),
    }
}

fn serve(edge: &mut Edge, verb: Verb, stdin: &[u8]) -> Result<(), CniError> {
    match verb {
        Verb::Version => {
            let answer = command::version::version(stdin)?;
            print(edge, &answer.to_string()).map_err(|error| unprinted(&error))
        }
        Verb::Add => {
            let request = request(&edge.environment, stdin)?;
            let added = command::add::add(&request)?;
            // The runtime takes a pod for attached once it has read this, so not a moment earlier.
            match print(edge, &added.result.to_string()) {
                Ok(()) => Ok(()),
                Err(error) => Err(added.rollback.run(unprinted(&error))),
            }
        }
        Verb::Del => command::del::del(&request(&edge.environment, stdin)?),
        Verb::Check => command::check::check(&request(&edge.environment, stdin)?),
    }
}

fn read_stdin(stdin: &mut dyn Read, bytes: &mut Vec<u8>) -> Result<(), CniError> {
    let limit = STDIN_MAX as u64 + 1;
    stdin.take(limit).read_to_end(bytes).map_err(|error| {
        CniError::new(
            code::IO,
            format!("cannot read the configuration from stdin: {error}"),
            "pass one plugin's configuration as JSON on stdin",
        )
    })?;
    if bytes.len() > STDIN_MAX {
        bytes.clear();
        return Err(CniError::new(
            code::IO,
            format!("the configuration on stdin is longer than {STDIN_MAX} bytes"),
            "shorten the conflist; something seems to have grown without bound",
        ));
    }
    Ok(())
}

fn print(edge: &mut Edge, document: &str) -> io::Result<()> {
    edge.stdout.write_all(document.as_bytes())?;
    edge.stdout.write_all(b"\n")?;
    edge.stdout.flush()
}

fn unprinted(error: &io::Error) -> CniError {
    CniError::new(
        code::IO,
        format!("cannot write the result to stdout: {error}"),
        "the attachment was taken back; see why the runtime does not read",
    )
}

/// Puts environment and configuration together.
fn request(environment: &BTreeMap<OsString, OsString>, stdin: &[u8]) -> Result<Request, CniError> {
    let required = |name: &str| {
        text(environment, name)?.ok_or_else(|| {
            CniError::environment(
                format!("{name} is missing"),
                format!("the runtime must set {name} for this verb"),
            )
        })
    };
    let container_id = required("CNI_CONTAINERID")?;
    let ifname = required("CNI_IFNAME")?;
    let attachment = Attachment::new(container_id, ifname).map_err(|error| {
        let variable = match error {
            crate::naming::NameError::Identifier(_) => "CNI_CONTAINERID",
            crate::naming::NameError::Interface(_) => "CNI_IFNAME",
        };
        CniError::environment(format!("{variable} {error}"), format!("correct {variable}"))
    })?;
    let own_netns = text(environment, "CNI_NETNS_OVERRIDE")?;
    Ok(Request {
        attachment,
        netns: text(environment, "CNI_NETNS")?.map(PathBuf::from),
        args: text(environment, "CNI_ARGS")?.map_or_else(Args::default, Args::parse),
        conf: netconf::parse(stdin)?,
        environment: environment.clone(),
        stdin: stdin.to_vec(),
        own_netns_allowed: own_netns
            .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")),
    })
}

/// A variable's text; empty counts as not set.
fn text<'a>(
    environment: &'a BTreeMap<OsString, OsString>,
    name: &str,
) -> Result<Option<&'a str>, CniError> {
    let Some(value) = environment.get(OsStr::new(name)) else {
        return Ok(None);
    };
    let value = value.to_str().ok_or_else(|| {
        CniError::environment(
            format!("{name} is not UTF-8 text"),
            format!("correct {name}"),
        )
    })?;
    Ok(Some(value).filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests;
