//! The command line of `rcni-lab`.

mod labs;
pub(crate) mod signals;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::traffic::stream;
use crate::{demo, node, record, traffic};

/// Networks of network namespaces from containerlab files.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  rcni-lab up --wait containerlab/two-node/topology.clab.yml
  rcni-lab list
  rcni-lab exec two-node node1 -- rcni-bgp status
  rcni-lab cni add node1 web
  rcni-lab exec two-node node1 --pod web -- ip addr
  rcni-lab down two-node
  rcni-lab demo --keep";

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring up the lab of a topology file and leave it up
    Up(Up),
    /// Remove a lab, or all labs that do not belong to a running program
    Down {
        /// Its name, as `list` shows it
        name: Option<String>,
    },
    /// Show the labs on this machine
    List,
    /// Say whether the lab can realise a topology file; every problem with its line
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Run a command in a node
    Exec(Exec),
    /// Add or delete a pod as a container runtime would, with the node's plugin list
    Cni(Cni),
    /// Serve TCP, and tell every client the address that it came from
    Serve {
        /// Address and port
        #[arg(default_value = "[::]:8080")]
        listen: SocketAddr,
    },
    /// Transfer from a `serve`; prints the rate and the address that arrived
    Fetch(Fetch),
    /// Keep one connection to a `serve` going; prints the address that arrived, then each answer
    Talk {
        /// Address and port of a `serve`
        server: SocketAddr,
    },
    /// Numbered packets, and which of them are lost
    Stream(Stream),
    /// Show what rcni does: two nodes, a router and pods on this machine
    Demo {
        /// Leave it up afterwards
        #[arg(long)]
        keep: bool,
    },
    /// Remove what `demo --keep` has left
    DemoDown,
    /// Build the trees of real routers and of container runtimes that tests use
    Peers {
        /// Only this one (a Debian suite's routers, or `runtimes`); else what `make test` needs
        #[arg(long, alias = "suite")]
        tree: Option<String>,
    },
    /// Record sessions of real routers with a scripted speaker (bgp/proto/tests/recorded)
    Record(Record),
    #[command(hide = true)]
    NodeInit,
    #[command(hide = true)]
    NodeEnter(node::enter::Args),
}

#[derive(Debug, Args)]
struct Up {
    /// The topology
    file: PathBuf,
    /// Name of the lab; the topology's own if not given
    #[arg(long)]
    name: Option<String>,
    /// Return only when plugin lists are written and every session of rcni-bgp is Established
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
struct Exec {
    /// The lab
    lab: String,
    /// The node
    node: String,
    /// Run it in the network of this pod
    #[arg(long)]
    pod: Option<String>,
    /// The command
    #[arg(required = true, last = true)]
    command: Vec<String>,
}

#[derive(Debug, Args)]
struct Record {
    /// The router; all of them if not given
    router: Option<record::Router>,
    /// Version of its image, which chooses the tree
    #[arg(long, requires = "router")]
    tag: Option<String>,
    /// Folder for the files
    #[arg(long, default_value = "bgp/proto/tests/recorded")]
    to: PathBuf,
}

#[derive(Debug, Args)]
struct Cni {
    #[arg(value_enum)]
    verb: CniVerb,
    /// The node
    node: String,
    /// Name of the pod
    pod: String,
    /// The lab; not needed while there is only one
    #[arg(long)]
    lab: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum CniVerb {
    Add,
    Del,
}

#[derive(Debug, Args)]
struct Stream {
    #[arg(value_enum)]
    what: StreamPart,
    /// Where to send to, or where to listen
    address: SocketAddr,
    /// Packets a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Ports to send from, in turn
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    flows: u16,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StreamPart {
    /// Send numbered packets
    Send,
    /// Tell which numbers do not arrive
    Receive,
}

impl Stream {
    fn run(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.what {
            StreamPart::Send => stream::send(self.address, self.rate, self.flows, &mut out),
            StreamPart::Receive => stream::receive(self.address, &mut out),
        }
    }
}

#[derive(Debug, Args)]
struct Fetch {
    /// Address and port of a `serve`
    server: SocketAddr,
    /// How much, in MiB
    #[arg(long, default_value_t = 64)]
    mib: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Give up after so many seconds
    #[arg(long, default_value_t = 20)]
    deadline: u64,
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for standard error.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Up(up) => labs::up(&up.file, up.name, up.wait)?,
        Command::Down { name } => labs::down(name.as_deref())?,
        Command::List => labs::list()?,
        Command::Check { files } => labs::check(&files)?,
        Command::Exec(exec) => return labs::exec(&exec),
        Command::Cni(cni) => labs::cni(&cni)?,
        Command::Serve { listen } => traffic::serve(listen)?,
        Command::Fetch(fetch) => labs::fetch(&fetch)?,
        Command::Talk { server } => traffic::talk(server, labs::say)?,
        Command::Stream(stream) => stream.run()?,
        Command::Demo { keep } => {
            signals::remove_labs_on_interrupt()?;
            return demo::run(keep);
        }
        Command::DemoDown => labs::down(Some(demo::LAB))?,
        Command::Peers { tree } => labs::build_trees(tree.as_deref())?,
        Command::Record(args) => args.run()?,
        Command::NodeInit => return node::init::run(),
        Command::NodeEnter(args) => return node::enter::run(&args),
    }
    Ok(ExitCode::SUCCESS)
}

impl Record {
    fn run(&self) -> Result<()> {
        let all = self.router.as_slice();
        let all = if all.is_empty() {
            &record::Router::ALL
        } else {
            all
        };
        for router in all {
            for name in record::record(*router, self.tag.as_deref(), &self.to)? {
                labs::say(&name);
            }
        }
        Ok(())
    }
}

impl Fetch {
    fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline)
    }
}
