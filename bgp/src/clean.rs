//! `rcni-bgp clean`: what an uninstallation must remove, and nothing else.
//!
//! Removed is what is provably ours: routes with our protocol, metric, table and type, nexthop
//! objects and rules with our protocol, and the files beside the control socket; `accept_ra` of links is
//! what it was found as. Other things with our
//! protocol (the plugin's routes to pods, felix-lite's blackholes, what an older configuration with
//! another metric or table has left) are counted and left.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use crate::discovery::before::Before;
use crate::discovery::kernel::Kernel;
use crate::discovery::router::Restored;
use crate::drained::Drained;
use crate::fib::Ownership;
use crate::fib::change::{Change, Outcome};
use crate::fib::former::Former;
use crate::fib::netlink::Netlink;
use crate::fib::netlink::leftovers::{Stranger, removable};
use crate::marker::Marker;

/// Dump and delete again where something was not answered.
const ROUNDS: usize = 3;
/// A daemon that runs puts routes back sooner.
const AGAIN: Duration = Duration::from_millis(500);
/// Routes that are named.
const NAMED: usize = 3;

/// What was done, for people.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// One line each.
    pub removed: Vec<String>,
    /// What has our protocol and is not ours alone.
    pub left: Vec<String>,
    /// What could not be removed.
    pub failed: Vec<String>,
}

/// Removes everything in the kernel. `former`: marks of earlier configurations, whose routes go, too.
///
/// # Errors
/// No netlink, or not permitted.
pub async fn kernel(owner: &Ownership, former: &[Ownership]) -> io::Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let mut netlink = Netlink::open()?;
    netlink.probe(owner).await?;
    let former = former.iter().filter(|former| *former != owner);
    let owners: Vec<&Ownership> = [owner].into_iter().chain(former.clone()).collect();
    for owner in &owners {
        routes(&mut netlink, owner, &mut cleaned).await?;
    }
    if !cleaned.removed.is_empty() {
        sleep(AGAIN).await;
    }
    for owner in &owners {
        still_there(&mut netlink, owner, &mut cleaned).await?;
    }
    let strangers = netlink.strangers(owner).await?;
    nexthops(&mut netlink, owner, &strangers, &mut cleaned).await?;
    let mut protocols = BTreeSet::from([owner.protocol]);
    for former in former.filter(|former| protocols.insert(former.protocol)) {
        former_nexthops(&mut netlink, former, &mut cleaned).await?;
    }
    rules(&mut netlink, owner, &mut cleaned).await?;
    let same_protocol = |route: &&Stranger| route.protocol == owner.protocol;
    let left: Vec<&Stranger> = strangers.iter().filter(same_protocol).collect();
    if !left.is_empty() {
        let named = left.iter().take(NAMED).map(|route| {
            format!(
                "{} metric {} table {}",
                route.prefix, route.metric, route.table
            )
        });
        let named: Vec<String> = named.collect();
        let more = if left.len() > NAMED { ", …" } else { "" };
        cleaned.left.push(format!(
            "{} routes of protocol {} with another metric, table or type: routes to pods, \
             blackholes of felix-lite, or of another configuration ({}{more})",
            left.len(),
            owner.protocol,
            named.join(", "),
        ));
    }
    Ok(cleaned)
}

/// Whoever runs with these marks has put his routes back by now.
async fn still_there(
    netlink: &mut Netlink,
    owner: &Ownership,
    cleaned: &mut Cleaned,
) -> io::Result<()> {
    let count = netlink.find(owner).await?.len();
    if count > 0 {
        cleaned.failed.push(format!(
            "{count} routes ({owner}): they are there again. Does rcni-bgp run, with another --socket? \
             `pgrep -a rcni-bgp` shows it; stop it first"
        ));
    }
    Ok(())
}

async fn routes(netlink: &mut Netlink, owner: &Ownership, cleaned: &mut Cleaned) -> io::Result<()> {
    let mut count = 0;
    let mut refused = None;
    let mut left = None;
    for round in 0..=ROUNDS {
        let found = netlink.find(owner).await?;
        let changes: Vec<Change> = found
            .iter()
            .map(|(prefix, target)| Change::Delete {
                prefix,
                target: Some(target.clone()),
            })
            .collect();
        if changes.is_empty() {
            (refused, left) = (None, None);
            break;
        }
        left = changes.first().map(Change::prefix);
        if round == ROUNDS {
            break;
        }
        let outcomes = netlink.apply(owner, &changes).await;
        for (change, outcome) in changes.iter().zip(outcomes) {
            match outcome {
                Outcome::Done => count += 1,
                Outcome::Refused(errno) | Outcome::NotSent(errno) => {
                    refused = Some((change.prefix(), errno));
                }
                _ => {}
            }
        }
    }
    if count > 0 {
        cleaned.removed.push(format!("{count} routes ({owner})"));
    }
    if let Some((prefix, errno)) = refused {
        let error = io::Error::from_raw_os_error(errno);
        cleaned.failed.push(format!("route {prefix}: {error}"));
    } else if let Some(prefix) = left {
        let failed = format!("route {prefix}: still there, or again: look who writes it");
        cleaned.failed.push(failed);
    }
    Ok(())
}

async fn nexthops(
    netlink: &mut Netlink,
    owner: &Ownership,
    strangers: &[Stranger],
    cleaned: &mut Cleaned,
) -> io::Result<()> {
    let all = netlink.objects().await?.unwrap_or_default();
    let (ours, needed) = removable(&all, owner.protocol, strangers);
    let mut count = 0;
    for id in ours {
        match netlink.delete_nexthop(id).await {
            Ok(gone) => count += usize::from(gone),
            Err(error) => cleaned.failed.push(format!("nexthop object {id}: {error}")),
        }
    }
    if count > 0 {
        let protocol = owner.protocol;
        let text = format!("{count} nexthop objects (proto {protocol})");
        cleaned.removed.push(text);
    }
    if !needed.is_empty() {
        let ids: Vec<String> = needed.iter().map(u32::to_string).collect();
        cleaned.left.push(format!(
            "nexthop objects {} of protocol {}: routes or groups of others use them",
            ids.join(", "),
            owner.protocol
        ));
    }
    Ok(())
}

/// Of a protocol number that an earlier configuration had: it may be somebody else's now, so only what has
/// an own number.
async fn former_nexthops(
    netlink: &mut Netlink,
    former: &Ownership,
    cleaned: &mut Cleaned,
) -> io::Result<()> {
    let count = netlink.remove_objects(former).await?;
    if count > 0 {
        let protocol = former.protocol;
        let text = format!("{count} nexthop objects (proto {protocol})");
        cleaned.removed.push(text);
    }
    Ok(())
}

async fn rules(netlink: &mut Netlink, owner: &Ownership, cleaned: &mut Cleaned) -> io::Result<()> {
    let mut count = 0;
    for rule in netlink.rules(owner.protocol).await? {
        match netlink.delete_rule(&rule).await {
            Ok(gone) => count += usize::from(gone),
            Err(error) => cleaned.failed.push(format!("a rule: {error}")),
        }
    }
    if count > 0 {
        let text = format!("{count} rules (proto {})", owner.protocol);
        cleaned.removed.push(text);
    }
    Ok(())
}

/// Puts `accept_ra` of links back that neighbours were looked for on.
pub async fn links(socket: &Path, cleaned: &mut Cleaned) {
    let found = async {
        let before = Before::beside(socket)?;
        if before.is_empty() {
            return Ok(None);
        }
        let links = Kernel::open()?.read().await?;
        io::Result::Ok(Some((before, links)))
    };
    match found.await {
        Ok(None) => {}
        Ok(Some((mut before, links))) => {
            for (interface, restored) in before.put_back(&links, |_| false) {
                let text = restored.describe(&interface);
                match restored {
                    Restored::Back(_) => cleaned.removed.push(format!("accept_ra 0: {text}")),
                    Restored::Left(_) => cleaned.left.push(text),
                    Restored::Failed(..) => cleaned.failed.push(format!("accept_ra 0: {text}")),
                }
            }
        }
        Err(error) => cleaned
            .failed
            .push(format!("accept_ra 0 of links: {error}")),
    }
}

/// Removes the control socket, which nobody answers on, and the marks beside it.
pub fn files(socket: &Path, cleaned: &mut Cleaned) {
    let paths: [PathBuf; 5] = [
        socket.to_owned(),
        Marker::path_beside(socket),
        Drained::path_beside(socket),
        Former::path_beside(socket),
        Before::path_beside(socket),
    ];
    for path in paths {
        match std::fs::remove_file(&path) {
            Ok(()) => cleaned.removed.push(path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => cleaned.failed.push(format!("{}: {error}", path.display())),
        }
    }
}
