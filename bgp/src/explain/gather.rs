//! Asks everybody.

use std::net::IpAddr;
use std::path::Path;

use rcni_config::paths;
use rcni_control::Program;
use rcni_control::client::{AskError, Client};
use rcni_control::events::{Event, EventsPage, EventsRequest};

use super::facts::{Bgp, Facts, Kernel, Rules, VERSION, Verdict};
use super::{kernel, verdict};
use crate::control::client;
use crate::control::model::{Peer, Status};
use crate::control::routes::RoutesRequest;
use crate::fib::KernelRoute;

/// The agent, as it is asked here.
const AGENT: Program = Program {
    name: "felix-lite",
    start: "felix-lite run --config FILE",
};
/// Changes that are shown.
const CHANGES: usize = 5;

/// What both daemons and the kernel know of `address`.
pub async fn facts(address: IpAddr, socket: &Path, agent: Option<&Path>) -> Facts {
    let status = client::status(socket).await.map(|(status, _)| status);
    let kernel = match &status {
        Ok(status) => kernel::look(address, |route| is_ours(status, route)).await,
        Err(_) => kernel::look(address, is_by_default_ours).await,
    };
    let bgp = match status {
        Ok(status) => bgp(address, socket, &status).await,
        Err(error) => Bgp {
            trouble: Some(format!("rcni-bgp cannot be asked: {error}")),
            ..Bgp::default()
        },
    };
    let rules = rules(
        address,
        agent.unwrap_or(Path::new(paths::FELIX_SOCKET)),
        agent.is_some(),
    )
    .await;
    judged(address, kernel, bgp, rules)
}

fn judged(address: IpAddr, kernel: Kernel, bgp: Bgp, rules: Rules) -> Facts {
    let mut facts = Facts {
        version: VERSION,
        address,
        verdict: Verdict::default(),
        kernel,
        bgp,
        rules,
    };
    facts.verdict = verdict::verdict(&facts);
    facts
}

fn is_ours(status: &Status, route: &KernelRoute) -> bool {
    let kernel = &status.kernel;
    let metric = match route.prefix.prefix() {
        0 => kernel.others.default_route_metric,
        _ => kernel.metric,
    };
    (route.protocol, route.metric, route.table) == (kernel.protocol, metric, kernel.table)
}

fn is_by_default_ours(route: &KernelRoute) -> bool {
    route.protocol == rcni_config::kernel::PROTOCOL
}

async fn bgp(address: IpAddr, socket: &Path, status: &Status) -> Bgp {
    let request = RoutesRequest {
        prefix: Some(address.to_string()),
        ..RoutesRequest::default()
    };
    let (paths, trouble) = match client::routes(socket, &request).await {
        Ok(page) => (page.routes, None),
        Err(error) => (
            Vec::new(),
            Some(format!("rcni-bgp does not tell its routes: {error}")),
        ),
    };
    let prefix = paths.first().map(|path| path.prefix.clone());
    let is = |listed: &str| prefix.as_deref() == Some(listed);
    let kernel = &status.kernel;
    let failed = kernel.failed.iter().find(|failed| is(&failed.prefix));
    let foreign = kernel.others.foreign.iter().find(|route| is(&route.prefix));
    let foreign = foreign.filter(|route| route.effect != "beside");
    let not_installed = match (failed, foreign) {
        _ if !kernel.install => Some("spec.kernel.install is false".to_owned()),
        (Some(failed), _) => Some(failed.reason.clone()),
        (None, Some(route)) => Some(format!(
            "a route of {} is there (metric {})",
            route.whose(),
            route.metric
        )),
        (None, None) => None,
    };
    let names: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.peer.as_deref())
        .collect();
    let changes = changes(socket, prefix.as_deref(), &names).await;
    Bgp {
        trouble,
        elsewhere: is_elsewhere(status.pid),
        not_installed,
        down: status
            .peers
            .iter()
            .filter(|peer| !peer.is_up())
            .map(down)
            .collect(),
        established: status.peers.iter().filter(|peer| peer.is_up()).count(),
        paths,
        changes,
    }
}

fn down(peer: &Peer) -> String {
    match &peer.last_error {
        Some(error) => format!("{} ({}: {})", peer.name, error.class, error.text),
        None => format!("{} ({})", peer.name, peer.state),
    }
}

/// Another network namespace than ours. Unknown where its process cannot be seen.
fn is_elsewhere(pid: u32) -> bool {
    let theirs = std::fs::read_link(format!("/proc/{pid}/ns/net"));
    let ours = std::fs::read_link("/proc/self/ns/net");
    matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs != ours)
}

/// Of the prefix, and of the sessions that told it.
async fn changes(socket: &Path, prefix: Option<&str>, peers: &[&str]) -> Vec<Event> {
    let Ok((page, _)) = client::events(socket, &EventsRequest::default()).await else {
        return Vec::new();
    };
    let EventsPage { mut events, .. } = page;
    events.retain(|event| {
        let peer = event
            .peer
            .as_deref()
            .is_some_and(|peer| peers.contains(&peer));
        peer || (event.prefix.is_some() && event.prefix.as_deref() == prefix)
    });
    let more = events.len().saturating_sub(CHANGES);
    events.drain(..more);
    events
}

/// `must`: somebody has named its socket; else a node without the agent is a router, and no trouble.
async fn rules(address: IpAddr, socket: &Path, must: bool) -> Rules {
    let client = Client::new(AGENT, socket);
    let asked = async {
        let answer = client
            .get(&format!("/v1/explain?address={address}"))
            .await?;
        client.read::<Rules>(&answer)
    };
    match asked.await {
        Ok(rules) => rules,
        Err(AskError::Absent { .. }) if !must => Rules {
            lines: vec!["felix-lite does not run here: rules are not looked at".to_owned()],
            ..Rules::default()
        },
        Err(error) => Rules {
            trouble: Some(format!("felix-lite cannot be asked: {error}")),
            ..Rules::default()
        },
    }
}
