//! The command line.

mod check;
mod clean;
mod drain;
mod explain;
mod metrics;
mod peer;
mod reload;
mod routes;
pub mod run;
mod status;
mod watch;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use rcni_config::{SpeakerConfig, paths};
use rcni_control::cli;

use crate::control::PROGRAM;

/// A refused configuration, or a question that cannot be asked.
const REFUSED: u8 = 2;

/// The rcni BGP speaker: exchanges routes with routers and other nodes, and puts what it learns
/// into the kernel.
#[derive(Debug, Parser)]
#[command(name = "rcni-bgp", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rcni-bgp check /etc/rcni/bgp.yaml     is this configuration all right?
  rcni-bgp check - < bgp.yaml           the same from standard input
  rcni-bgp run                          run with /etc/rcni/bgp.yaml
  rcni-bgp check new.yaml --against-running     what would it change, and reset?
  rcni-bgp reload                       read the file again, now
  rcni-bgp status                       sessions, since when, and what is wrong
  rcni-bgp status -o json | jq .peers   the same for programs
  rcni-bgp routes 10.244.2.0/24         every path of it, and why it is in use or not
  rcni-bgp events --since 10m           what has happened
  rcni-bgp explain 10.244.2.17          how does a packet get there, and if not, why?
  rcni-bgp peer shutdown tor --message \"new line card, back at 5\"

Exit codes: 0 fine; 2 configuration or order refused, or the daemon cannot be asked; 1 everything else
(status: a session is down).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground
    #[command(after_help = "\
SIGTERM and SIGINT stop it as for an upgrade: sessions close without a NOTIFICATION and kernel
routes stay, so that traffic flows until the next start. The log goes to stderr.

Examples:
  rcni-bgp run
  rcni-bgp run --config tor.yaml --socket /run/tor.sock --log-level debug")]
    Run(run::Options),
    /// Show sessions and routes of a running daemon
    #[command(after_help = "\
With PEER all that is known of it: its ends, what was agreed, capabilities of both sides, counts of
each family, messages, BFD; --wide is the same for all.

Exit code: 0 all sessions (that of PEER) are established; 1 at least one is not; 2 the daemon cannot be
asked, or there is no such peer.

Examples:
  rcni-bgp status
  rcni-bgp status tor-a
  rcni-bgp status -o json | jq '.peers[] | select(.state != \"Established\")'")]
    Status(status::Options),
    /// Print the metrics of a running daemon, as Prometheus reads them
    #[command(after_help = "\
Exit code: 0 fine; 2 the daemon cannot be asked.

Example, for the node exporter's textfile collector:
  rcni-bgp metrics > /var/lib/node_exporter/.rcni &&
    mv /var/lib/node_exporter/.rcni /var/lib/node_exporter/rcni-bgp.prom")]
    Metrics(metrics::Options),
    /// Show every path of every prefix, what became of it and why
    #[command(after_help = "\
Of each path: whether it is in use, and if not, at which step of the decision it lost, why it is not
usable, or which rule rejected it; where a rule changed it, which one, and what was received.

Exit code: 0 fine; 1 there is no such prefix; 2 the daemon cannot be asked, or there is no such peer.

Examples:
  rcni-bgp routes
  rcni-bgp routes 10.244.2.0/24
  rcni-bgp routes 10.244.2.17                    the prefix that this address belongs to
  rcni-bgp routes 10.244.0.0/16 --within --peer tor
  rcni-bgp routes --rejected --family ipv6       what is not used, and by which rule
  rcni-bgp routes --advertised --peer tor        what tor is told
  rcni-bgp routes 10.244.2.17 --covering         all that could carry this address
  rcni-bgp routes -o json | jq '.routes[] | select(.state == \"rejected\")'")]
    Routes(routes::Options),
    /// Say how a packet gets to an address from this node, and what is wrong if something is
    #[command(after_help = "\
One sentence first; then what it rests on: the kernel's route and next hops with their links and
neighbours, the BGP paths that competed and why each lost, what rules do (felix-lite tells), and the
last changes. Run it on the node, in its network namespace.

Exit code: 0 nothing wrong was found; 1 something is wrong; 2 the daemon cannot be asked.

Examples:
  rcni-bgp explain 10.244.2.17
  rcni-bgp explain fd00:10:244:2::11 -o json | jq .verdict")]
    Explain(explain::Options),
    /// Show what has happened: sessions with the causes of their ends, kernel routes that were put back,
    /// links, reloads
    #[command(after_help = "\
The daemon keeps the last 1,024 events of this run, from log level info on, whatever it writes to its
log.

Exit code: 0 fine; 2 the daemon cannot be asked.

Examples:
  rcni-bgp events --since 10m
  rcni-bgp events --follow --peer tor
  rcni-bgp events -o json | jq '.events[] | select(.severity != \"info\")'")]
    Events {
        #[command(flatten)]
        options: cli::events::Options,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show sessions, rates and events as they are now, on a terminal
    #[command(after_help = "\
For 80 columns and 24 lines, or more; it goes on over a restart of the daemon. Keys: q ends, up and
down (j, k, PageUp, PageDown, Home, End) scroll the peers.

Exit code: 0 fine; 2 this is no terminal.

Example:
  ssh node7 -t rcni-bgp watch")]
    Watch(watch::Options),
    /// Show or change what the running daemon logs
    #[command(after_help = "\
Exit code: 0 fine; 2 that is no level, or the daemon cannot be asked.

Examples:
  rcni-bgp log
  rcni-bgp log debug --for 10m
  rcni-bgp log rcni_bgp::fib=debug,info
  rcni-bgp log --reset")]
    Log {
        #[command(flatten)]
        options: cli::log::Options,
        #[command(flatten)]
        asked: Asked,
    },
    /// Shut a session down, start it again, reset it
    #[command(
        subcommand,
        after_help = "\
What is shut down stays down until it is started, or the daemon is. Its routes go at once, here and
at the peer. `rcni-bgp status` shows the names. A peer of `peerInterface` that is not there at the
moment can be started as well: it is not shut down when it is found.

Exit code: 0 done; 2 there is no such peer, or the daemon cannot be asked.

Examples:
  rcni-bgp peer shutdown tor --message \"new line card, back at 5\"
  rcni-bgp peer start tor
  rcni-bgp peer reset rack7/10.0.7.12"
    )]
    Peer(peer::Options),
    /// Take the node out of use: traffic moves away, then sessions end
    #[command(after_help = "\
Announces all routes with the community GRACEFUL_SHUTDOWN (65535:0, RFC 8326), so that peers take
other paths while these still work; waits; then ends all sessions (Cease/Administrative Shutdown)
and removes the kernel routes that were learned. Pods and their routes stay. It stays so, also when
the daemon is started again, until `rcni-bgp undrain` or a reboot. Interrupted (Ctrl-C), it stays as
far as it came. Where the node is reached over a learned route only, it is not any more then.

SIGTERM, unlike this, is a stop for an upgrade: peers go on sending, kernel routes stay.

Exit code: 0 drained, now or before; 1 interrupted; 2 the daemon cannot be asked.

Examples:
  rcni-bgp drain --message \"kernel upgrade, back at 5\"
  rcni-bgp drain --wait 30")]
    Drain(drain::Options),
    /// Take a drained node into use again
    #[command(after_help = "\
Sessions come up again. Everything is announced with GRACEFUL_SHUTDOWN, so that peers prefer other
nodes, until all peers have told their routes (peers that are down or do not say End-of-RIB are
waited for as long as after a restart) and the kernel has them; then as ever.

Exit code: 0 done, or begun (without --wait); 1 not in use within --wait; 2 the daemon cannot be asked.

Examples:
  rcni-bgp undrain
  rcni-bgp undrain --wait 90 && kubectl uncordon node7")]
    Undrain(drain::Back),
    /// Remove all that rcni-bgp has left in the kernel, for an uninstallation
    #[command(after_help = "\
Removes own routes (by protocol, metric, table and type, as spec.kernel has them), nexthop objects
and rules with the own protocol, the control socket and the marks beside it; accept_ra of links that
neighbours were looked for on is again what it was. Nothing else: routes to
pods and what felix-lite has made stay (`felix-lite clean` removes the latter). The daemon must be
stopped. Can be repeated.

Exit code: 0 done; 1 something could not be removed; 2 the daemon runs, or the configuration is
refused.

Example:
  rcni-bgp clean --config /etc/rcni/bgp.yaml")]
    Clean(clean::Options),
    /// Print completions for a shell
    #[command(after_help = "\
Example:
  rcni-bgp completions bash > /etc/bash_completion.d/rcni-bgp")]
    Completions {
        /// Which
        shell: clap_complete::Shell,
    },
    /// Check a configuration file without using it
    #[command(after_help = "\
Exit code: 0 it would be accepted; 2 it would be refused, each reason with file and line.
With --against-running: 1 it would be accepted, and sessions would end for it.

Examples:
  rcni-bgp check /etc/rcni/bgp.yaml
  rcni-bgp check new.yaml --against-running")]
    Check(check::Options),
    /// Have a running daemon read its configuration file now, and show what came of it
    #[command(after_help = "\
The daemon watches its file and reads it when it changes, also after SIGHUP; this waits for it. What
is refused changes nothing. `rcni-bgp check FILE --against-running` shows before what would be reset.

Exit code: 0 the file is in use; 2 it is refused, or the daemon cannot be asked.

Example:
  rcni-bgp reload")]
    Reload(reload::Options),
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

/// All of `main`.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Status(options) => status::run(&options),
        Command::Metrics(options) => metrics::run(&options),
        Command::Routes(options) => routes::run(options),
        Command::Explain(options) => explain::run(&options),
        Command::Events { options, asked } => options.run(PROGRAM, &asked.socket),
        Command::Watch(options) => watch::run(&options),
        Command::Log { options, asked } => options.run(PROGRAM, &asked.socket),
        Command::Peer(options) => peer::run(options),
        Command::Drain(options) => drain::run(&options),
        Command::Undrain(options) => drain::undo(&options),
        Command::Clean(options) => clean::run(&options),
        Command::Completions { shell } => completions(shell),
        Command::Check(options) => check::run(&options),
        Command::Reload(options) => reload::run(&options),
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rcni-bgp", &mut text);
    print(&String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}

/// A line to stderr, for whoever called.
fn complain(text: impl std::fmt::Display) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "rcni-bgp: {text}");
}

/// The configuration; else what it is refused for is said, `file:line:` first, as compilers do it.
fn load(file: &Path) -> Option<SpeakerConfig> {
    let say = |text: &dyn std::fmt::Display| {
        let _ = writeln!(io::stderr(), "{text}");
    };
    match rcni_config::load_speaker(file) {
        Ok(config) => {
            if let Some(warning) = rcni_config::readable_passwords(file, &config) {
                say(&format_args!("warning: {warning}"));
            }
            Some(config)
        }
        Err(errors) => {
            errors.iter().for_each(|error| say(error));
            None
        }
    }
}

/// To stdout. A reader that has seen enough (`| head`) is not an error.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A program that is installed beside this one.
fn beside(program: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new("")).join(program)
}

/// One thread, so that nothing needs a lock; `None` after a complaint.
fn runtime() -> Option<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .inspect_err(|error| complain(format!("cannot start: {error}")))
        .ok()
}
