//! One TCP connection from pod to pod across two nodes, beside one between the nodes themselves:
//! same router, same links, two more veth pairs and the node's rules.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::stats::Samples;
use super::table::{Table, ratio};
use crate::lab::node::ExecOptions;
use crate::traffic::Transfer;
use crate::{Lab, Node, Options, Pod, containerlab, ready, wait_until};

const PORT: u16 = 8_080;
/// To find out how much is enough.
const TRIAL_MIB: u32 = 64;
const DEADLINE: Duration = Duration::from_secs(60);
/// Address of node2 in the topology.
const NODE2: [u8; 4] = [10, 0, 2, 12];

/// One way through the fabric.
struct Way<'a> {
    name: &'static str,
    from: &'a Node,
    netns: Option<String>,
    to: SocketAddr,
    rates: Vec<f64>,
}

/// Transfers that last about `seconds` each, in turn; rates in Mbit/s.
///
/// # Errors
/// The fabric does not come up, or a transfer fails.
pub fn table(repeat: usize, seconds: f64) -> Result<Table> {
    let lab = Lab::deploy(&containerlab("two-node"), &Options::default())?;
    ready::plugin_lists(lab.nodes(), DEADLINE, &|_| ())?;
    ready::sessions(lab.nodes(), DEADLINE, &|_| ())?;
    let (node1, node2) = (lab.node("node1")?, lab.node("node2")?);
    let (client, server) = (Pod::add(node1, "client")?, Pod::add(node2, "server")?);
    let listen = ["rcni-lab", "serve", &format!("0.0.0.0:{PORT}")];
    server.spawn("serve-pod", &listen)?;
    node2.spawn("serve-node", &listen, &ExecOptions::default())?;
    let mut ways = [
        Way {
            name: "host to host",
            from: node1,
            netns: None,
            to: SocketAddr::from((NODE2, PORT)),
            rates: Vec::new(),
        },
        Way {
            name: "pod to pod",
            from: node1,
            netns: Some(client.netns()),
            to: SocketAddr::new(server.ip()?, PORT),
            rates: Vec::new(),
        },
    ];
    let mut sizes = Vec::new();
    for way in &ways {
        let trial = wait_until(DEADLINE, way.name, || way.fetch(TRIAL_MIB))?;
        sizes.push(mebibytes_for(&trial, seconds));
    }
    for _ in 0..repeat {
        for (way, mib) in ways.iter_mut().zip(&sizes) {
            let transfer = way.fetch(*mib)?;
            ensure!(transfer.is_untranslated(), "{}: translated", way.name);
            way.rates.push(transfer.megabits());
        }
    }
    Ok(render(&ways, repeat, seconds))
}

fn mebibytes_for(trial: &Transfer, seconds: f64) -> u32 {
    let mib = trial.megabits() * seconds / 8.0 / 1.048_576;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "limited to what fits"
    )]
    let mib = mib.clamp(1.0, 1e6) as u32;
    mib
}

impl Way<'_> {
    fn fetch(&self, mib: u32) -> Result<Transfer> {
        let (server, mib) = (self.to.to_string(), mib.to_string());
        let deadline = DEADLINE.as_secs().to_string();
        let argv = [
            "rcni-lab",
            "fetch",
            &server,
            "--mib",
            &mib,
            "--json",
            "--deadline",
            &deadline,
        ];
        let options = ExecOptions {
            netns: self.netns.as_deref(),
            deadline: Some(DEADLINE * 2),
            ..Default::default()
        };
        let said = self.from.exec_with(&argv, &options)?.ok()?;
        serde_json::from_str(&said).context(said)
    }

    fn samples(&self) -> Samples {
        self.rates.iter().copied().collect()
    }
}

fn render(ways: &[Way<'_>], repeat: usize, seconds: f64) -> Table {
    let reference = ways.first().map_or(0.0, |way| way.samples().median());
    let rows = ways.iter().map(|way| {
        let rates = way.samples();
        // The worst rate is the lowest.
        let worst = rates.percentile(0);
        vec![
            way.name.to_owned(),
            format!("{:.1} Gbit/s ({:.1})", rates.median() / 1e3, worst / 1e3),
            ratio(rates.median(), reference),
        ]
    });
    Table {
        title: "TCP between nodes",
        about: format!(
            "One connection of about {seconds} s through the router of `containerlab/two-node`, all \
             of it on this machine; median (worst) of {repeat}, in turn."
        ),
        header: vec!["", "rate", "× host to host"],
        rows: rows.collect(),
    }
}
