//! `rcni-bgp status`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;
use rcni_control::cli::{Output, colour};
use serde_json::Value;

use super::{REFUSED, complain, print, runtime};
use crate::control::model::{Link, Peer, Status};
use crate::control::{client, orders, render};

/// At least one session is down, or somebody is missing on a link.
const DOWN: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// All that is known of this peer, by name or address
    #[arg(value_name = "PEER")]
    peer: Option<String>,
    /// All that is known of every peer
    #[arg(short, long, conflicts_with = "peer")]
    wide: bool,
    /// table for people, json for programs
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let (mut status, text) = match runtime.block_on(client::status(&options.socket)) {
        Ok(answer) => answer,
        Err(error) => {
            complain(error);
            return REFUSED.into();
        }
    };
    let peer = options.peer.as_deref();
    if let Some(name) = peer
        && !status.peers.iter().any(|peer| peer.is(name))
    {
        let names: Vec<String> = status.peers.iter().map(|peer| peer.name.clone()).collect();
        complain(orders::no_such_peer(name, &names));
        return REFUSED.into();
    }
    match options.output {
        Output::Table => print(&table(&status, options)),
        Output::Json => print(&json(&text, peer)),
    }
    if let Some(name) = peer {
        status.links.clear();
        status.peers.retain(|peer| peer.is(name));
    }
    exit_code(&status)
}

fn table(status: &Status, options: &Options) -> String {
    let peer = options.peer.as_deref();
    let mut out = match peer {
        Some(_) => String::new(),
        None => render::table(status, colour()),
    };
    if peer.is_some() || options.wide {
        let blocks = render::wide(status, peer, colour()).unwrap_or_default();
        if !(out.is_empty() || blocks.is_empty()) {
            out.push('\n');
        }
        out.push_str(&blocks);
    }
    out
}

/// As the daemon said it: also what a newer daemon knows more.
fn json(text: &[u8], name: Option<&str>) -> String {
    let whole = || format!("{}\n", String::from_utf8_lossy(text));
    let (Some(name), Ok(mut answer)) = (name, serde_json::from_slice::<Value>(text)) else {
        return whole();
    };
    if let Some(peers) = answer.get_mut("peers").and_then(Value::as_array_mut) {
        let is = |peer: &Value| {
            let peer: Result<Peer, _> = serde_json::from_value(peer.clone());
            peer.is_ok_and(|peer| peer.is(name))
        };
        peers.retain(is);
    }
    format!("{answer}\n")
}

fn exit_code(status: &Status) -> ExitCode {
    let missing = status.links.iter().any(Link::is_missing);
    if !missing && status.peers.iter().all(Peer::is_up) {
        ExitCode::SUCCESS
    } else {
        DOWN.into()
    }
}
