//! ADD: addresses, then the wire, then the result; all of it taken back if a step fails.

use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;
use serde_json::Value;

use super::{LOCK_WAIT, Request};
use crate::error::{CniError, code};
use crate::ipam::Store;
use crate::naming::Attachment;
use crate::netconf::{Families, IPV6_MTU_MIN, Ipam};
use crate::netlink::Netlink;
use crate::netns::{self, Netns};
use crate::result::{self, Outcome};
use crate::rollback::Rollback;
use crate::sysctl;
use crate::uplink;
use crate::veth::{self, Plan};

/// What ADD leaves to its caller: a result to print, and how to take everything back if it cannot
/// be printed.
pub struct Added {
    /// The result object.
    pub result: Value,
    /// To be run if the runtime does not get the result.
    pub rollback: Rollback,
}

/// Addresses from wherever they came.
struct Addresses {
    addresses: Vec<IpAddr>,
    routes: Vec<IpNetwork>,
    dns: Option<Value>,
}

/// The sockets of one ADD, one in each namespace.
struct Sockets {
    netns: Netns,
    host: Netlink,
    pod: Netlink,
}

/// Attaches the pod.
///
/// # Errors
/// The first step that failed; what came before it was taken back.
pub fn add(request: &Request) -> Result<Added, CniError> {
    let netns = required_netns(request)?;
    let pod_mac = request.pod_mac()?;
    // Whatever can be wrong without a trace is tried before anything is written.
    let mut sockets = open_sockets(netns)?;
    let uplinks = match request.conf.mtu {
        Some(_) => None,
        None => Some(uplink::mtu(&mut sockets.host)?),
    };
    let mut rollback = Rollback::new();
    let given = addresses(request, &mut sockets.host, &mut rollback)?;
    let mtu = match pod_mtu(request.conf.mtu, uplinks, Families::of(&given.addresses)) {
        Ok(mtu) => mtu,
        Err(error) => return Err(rollback.run(error)),
    };
    let plan = Plan {
        host_name: request.attachment.host_interface(),
        pod_name: request.attachment.ifname().to_owned(),
        pod_mac,
        alias: request.alias(),
        mtu,
        addresses: given.addresses,
        routes: given.routes,
    };
    let outcome = Outcome {
        plan: &plan,
        sandbox: netns.to_str().unwrap_or_default(),
        ipam_dns: given.dns,
    };
    let finished = result::build(&request.conf, &outcome).and_then(|result| {
        wire(&mut sockets, &plan, &mut rollback)?;
        Ok(result)
    });
    match finished {
        Ok(result) => Ok(Added { result, rollback }),
        Err(error) => Err(rollback.run(error)),
    }
}

/// A configured MTU that is too small for IPv6 is refused. Uplinks that small carry no IPv6: the pod's
/// IPv4 packets are then fragmented, or path MTU discovery finds their size.
fn pod_mtu(
    configured: Option<u32>,
    uplinks: Option<u32>,
    families: Families,
) -> Result<u32, CniError> {
    let least = if families.ipv6 { IPV6_MTU_MIN } else { 0 };
    match configured {
        Some(mtu) if mtu < least => Err(CniError::config(
            format!("mtu {mtu} is too small for IPv6, which needs {IPV6_MTU_MIN} (RFC 8200)"),
            format!("write at least {IPV6_MTU_MIN}, or leave mtu out to follow the uplinks"),
        )),
        Some(mtu) => Ok(mtu),
        None => Ok(uplinks.unwrap_or(least).max(least)),
    }
}

fn required_netns(request: &Request) -> Result<&Path, CniError> {
    let Some(path) = request.netns.as_deref() else {
        return Err(CniError::environment(
            "CNI_NETNS is missing",
            "set it to the path of the pod's network namespace",
        ));
    };
    refuse_own(request, path)?;
    Ok(path)
}

/// A pod in the host's own namespace would get the default route of the node.
pub(super) fn refuse_own(request: &Request, path: &Path) -> Result<(), CniError> {
    if request.own_netns_allowed || !netns::is_own(path) {
        return Ok(());
    }
    Err(CniError::environment(
        format!(
            "CNI_NETNS {} is the plugin's own network namespace",
            path.display()
        ),
        "give the pod a network namespace of its own; nothing was changed",
    ))
}

fn open_sockets(path: &Path) -> Result<Sockets, CniError> {
    let netns = Netns::open(path)?;
    let pod = netns.enter(|| Ok(Netlink::open()?))?;
    Ok(Sockets {
        netns,
        host: Netlink::open()?,
        pod,
    })
}

fn addresses(
    request: &Request,
    host: &mut Netlink,
    rollback: &mut Rollback,
) -> Result<Addresses, CniError> {
    match &request.conf.ipam {
        Ipam::Absent => Err(CniError::config(
            "ipam is missing",
            "write \"ipam\": {\"type\": \"rcni\", \"ranges\": [[{\"subnet\": \"…\"}]]}",
        )),
        Ipam::Own(own) => {
            let pool = own.pool()?;
            let wanted = request.conf.wanted_addresses(request.args.ip.as_deref())?;
            let addresses = own.store.lock(LOCK_WAIT)?.allocate(
                &request.attachment,
                &request.alias(),
                &pool.sets,
                &wanted,
            )?;
            let (store, attachment) = (own.store.clone(), request.attachment.clone());
            rollback.push(move || release(&store, &attachment));
            Ok(Addresses {
                addresses,
                routes: pool.routes,
                dns: None,
            })
        }
        Ipam::Delegate(name) => {
            // A delegate knows nothing but the attachment: whatever it answered to a repeated ADD,
            // the DEL that follows a failure would free the running pod's address. Our own store
            // sees the repeat itself and frees nothing.
            veth::refuse_existing(host, &request.attachment.host_interface())?;
            let delegate = request.delegate(name);
            let given = delegate.add()?;
            rollback.push(move || delegate.del());
            Ok(Addresses {
                addresses: given.addresses,
                routes: given.routes,
                dns: given.dns,
            })
        }
    }
}

fn wire(sockets: &mut Sockets, plan: &Plan, rollback: &mut Rollback) -> Result<(), CniError> {
    let host_end = veth::create(&mut sockets.host, &sockets.netns, plan)?;
    let host_name = plan.host_name.clone();
    rollback.push(move || {
        veth::delete(&mut Netlink::open()?, &host_name)?;
        Ok(())
    });
    sysctl::host_end(&host_end, plan.families())?;
    veth::configure_pod(&mut sockets.pod, &sockets.netns, &host_end, plan)?;
    veth::publish(&mut sockets.host, &host_end, plan)?;
    veth::wait_ready(&mut sockets.host, &mut sockets.pod, &host_end, plan)
}

/// Frees what the attachment holds.
pub(super) fn release(store: &Store, attachment: &Attachment) -> Result<(), CniError> {
    let Some(locked) = store.lock_existing(LOCK_WAIT)? else {
        return Ok(());
    };
    locked.release(attachment).map(drop).map_err(|errors| {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        CniError::new(
            code::STATE,
            texts.join("; "),
            "see that the folder is writable; run DEL again",
        )
    })
}
