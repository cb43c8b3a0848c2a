//! `rcni-bgp routes`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::status::Output;
use super::{REFUSED, complain, print, runtime};
use crate::control::client;
use crate::control::routes::{RoutesPage, RoutesRequest, VERSION, text};

/// There is nothing of what was asked for.
const NONE: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A prefix, or an address: then the most specific prefix that it lies in. Default: all
    #[arg(value_name = "PREFIX")]
    prefix: Option<String>,
    /// Also all that lies in the prefix
    #[arg(long, requires = "prefix")]
    within: bool,
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

pub(super) fn run(options: Options) -> ExitCode {
    let mut request = RoutesRequest {
        prefix: options.prefix,
        within: options.within.then_some(true),
        peer: options.peer,
        to: options.to,
        after: None,
    };
    if let Err(text) = request.check() {
        complain(text.trim_end());
        return REFUSED.into();
    }
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let mut printer = Printer::new(options.output);
    loop {
        let page = match runtime.block_on(client::routes(&options.socket, &request)) {
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
            print(&format!("{begin}]}}\n"));
        }
        self.routes
    }
}
