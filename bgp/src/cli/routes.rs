//! `rcni-bgp routes`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::{REFUSED, complain, print, runtime};
use crate::control::client;
use crate::control::routes::{FamilyName, Only, RoutesPage, RoutesRequest, VERSION, text};
use rcni_control::cli::Output;

/// There is nothing of what was asked for.
const NONE: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A prefix, or an address: then the most specific prefix that it lies in. Default: all
    #[arg(value_name = "PREFIX")]
    prefix: Option<String>,
    /// Also all that lies in the prefix
    #[arg(long, visible_alias = "longer", requires = "prefix")]
    within: bool,
    /// Also all that the prefix, or the address, lies in
    #[arg(long, requires = "prefix", conflicts_with = "within")]
    covering: bool,
    #[command(flatten)]
    only: OnlyOption,
    /// Only prefixes of this family
    #[arg(long, value_enum, value_name = "FAMILY")]
    family: Option<Family>,
    /// Only what this peer told, as `rcni-bgp status` names it
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// What this peer is told, as what, and why not the rest
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// table for people, json for programs
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
struct OnlyOption {
    /// Only what peers have told
    #[arg(long)]
    received: bool,
    /// Only what is usable and passed by the import rules
    #[arg(long)]
    accepted: bool,
    /// Only what is rejected by a rule or unusable
    #[arg(long)]
    rejected: bool,
    /// Only what is in use
    #[arg(long)]
    best: bool,
    /// Only what the peer is told; with --peer or --to
    #[arg(long)]
    advertised: bool,
}

impl OnlyOption {
    fn chosen(self) -> Option<Only> {
        [
            (self.received, Only::Received),
            (self.accepted, Only::Accepted),
            (self.rejected, Only::Rejected),
            (self.best, Only::Best),
            (self.advertised, Only::Advertised),
        ]
        .into_iter()
        .find_map(|(is, only)| is.then_some(only))
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Family {
    Ipv4,
    Ipv6,
}

impl Options {
    fn request(self) -> (RoutesRequest, Output, PathBuf) {
        let only = self.only.chosen();
        // What a peer is told is a question about who hears it, not about who told it here.
        let (peer, to) = match (only, self.to) {
            (Some(Only::Advertised), None) => (None, self.peer),
            (_, to) => (self.peer, to),
        };
        let request = RoutesRequest {
            prefix: self.prefix,
            within: self.within.then_some(true),
            covering: self.covering.then_some(true),
            only,
            family: self.family.map(|family| match family {
                Family::Ipv4 => FamilyName::Ipv4,
                Family::Ipv6 => FamilyName::Ipv6,
            }),
            peer,
            to,
            after: None,
        };
        (request, self.output, self.socket)
    }
}

pub(super) fn run(options: Options) -> ExitCode {
    let (mut request, output, socket) = options.request();
    if let Err(text) = request.check() {
        complain(text.trim_end());
        return REFUSED.into();
    }
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let mut printer = Printer::new(output);
    loop {
        let page = match runtime.block_on(client::routes(&socket, &request)) {
            Ok(page) => page,
            Err(error) => {
                complain(error);
                return REFUSED.into();
            }
        };
        printer.page(&page);
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    if printer.end() > 0 || request.prefix.is_none() {
        return ExitCode::SUCCESS;
    }
    complain("there is no such route");
    NONE.into()
}

/// Page by page, so that a large table needs no memory here.
struct Printer {
    output: Output,
    routes: usize,
    /// The last prefix.
    before: String,
}

impl Printer {
    fn new(output: Output) -> Self {
        Self {
            output,
            routes: 0,
            before: String::new(),
        }
    }

    fn page(&mut self, page: &RoutesPage) {
        let mut out = String::new();
        for route in &page.routes {
            match self.output {
                Output::Table => out.push_str(&text(route, &mut self.before)),
                Output::Json => {
                    out.push_str(&self.separator());
                    // Strings and numbers always fit.
                    out.push_str(&serde_json::to_string(route).unwrap_or_default());
                }
            }
            self.routes += 1;
        }
        print(&out);
    }

    fn separator(&self) -> String {
        match self.routes {
            0 => format!("{{\"version\":{VERSION},\"routes\":[\n"),
            _ => ",\n".to_owned(),
        }
    }

    /// How many there were.
    fn end(self) -> usize {
        if self.output == Output::Json {
            let begin = match self.routes {
                0 => self.separator(),
                _ => "\n".to_owned(),
            };
            // All pages in one: nothing comes after it.
            print(&format!("{begin}],\"next\":null}}\n"));
        }
        self.routes
    }
}
