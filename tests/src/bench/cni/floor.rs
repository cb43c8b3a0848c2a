//! The kernel's own floor: what `rcni` leaves behind, made by netlink messages alone. No process is
//! started, no file is written, no configuration is read, and indexes are chosen so that nothing
//! has to be asked.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use super::{Attach, Pod};
use crate::bench::netlink::{Batch, Socket, flag};

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const NEW_NEIGHBOUR: u16 = 28;
const CREATE: u16 = flag::REQUEST | flag::CREATE | flag::EXCL;

const INET: u8 = 2;
const UNIVERSE: u8 = 0;
const LINK: u8 = 253;
const PROTOCOL: u8 = 77;
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
const HOST_MAC: [u8; 6] = [0xee; 6];
const MTU: u32 = 1500;

/// Interface index of every pod's end; each is in a namespace of its own.
const POD_INDEX: u32 = 2;
/// Of the first host end.
const HOST_INDEX: u32 = 1_000;

/// The host's socket, and its namespace to come back to.
#[derive(Debug)]
pub(super) struct Floor {
    host: Socket,
    own: File,
}

impl Floor {
    /// For the calling thread's namespace, which must be told: its /proc may be another's.
    pub(super) fn new(own: File) -> Result<Self> {
        Ok(Self {
            host: Socket::new()?,
            own,
        })
    }

    /// A socket in the pod's namespace.
    fn pod_socket(&self, pod: &File) -> Result<Socket> {
        setns(pod.as_fd(), CloneFlags::CLONE_NEWNET).context("entering the pod")?;
        let socket = Socket::new();
        setns(self.own.as_fd(), CloneFlags::CLONE_NEWNET).context("leaving the pod")?;
        socket
    }
}

impl Attach for Floor {
    fn add(&mut self, pod: &Pod) -> Result<Duration> {
        let start = Instant::now();
        let netns = File::open(&pod.netns).context("the pod's namespace")?;
        let inside = self.pod_socket(&netns)?;
        let (index, address) = (host_index(pod), address(pod));
        let name = format!("rcni{:011x}", pod.number);

        let mut create = Batch::default();
        create.begin(NEW_LINK, CREATE, &link_body(index, false));
        link_attributes(&mut create, &name, HOST_MAC);
        create.nested(18, |info| {
            info.attribute(1, b"veth");
            info.nested(2, |data| {
                data.nested(1, |peer| {
                    peer.raw(&link_body(POD_INDEX, false));
                    let [.., a, b, c] = pod.number.to_be_bytes();
                    link_attributes(peer, "eth0", [2, 0, 0, a, b, c]);
                    peer.attribute(28, &netns.as_raw_fd().to_ne_bytes());
                });
            });
        });
        create.acknowledge_last();
        self.host.run(&create).context("the pair")?;
        inside.run(&pod_side(address)).context("the pod's side")?;

        let mut publish = Batch::default();
        publish.begin(SET_LINK, flag::REQUEST, &link_body(index, true));
        publish.attribute(20, format!("bench/{}", pod.name).as_bytes());
        route(&mut publish, Some(address), LINK);
        publish.attribute(4, &index.to_ne_bytes());
        publish.acknowledge_last();
        self.host.run(&publish).context("the host's side")?;
        Ok(start.elapsed())
    }

    fn del(&mut self, pod: &Pod) -> Result<Duration> {
        let start = Instant::now();
        let mut delete = Batch::default();
        delete.begin(DEL_LINK, flag::REQUEST, &link_body(host_index(pod), false));
        delete.acknowledge_last();
        self.host.run(&delete).context("deleting the pair")?;
        Ok(start.elapsed())
    }
}

fn host_index(pod: &Pod) -> u32 {
    HOST_INDEX + pod.number
}

/// 10.1.0.0/16, as the plugins are configured.
fn address(pod: &Pod) -> Ipv4Addr {
    let [.., high, low] = (pod.number + 2).to_be_bytes();
    Ipv4Addr::new(10, 1, high, low)
}

/// `struct ifinfomsg`; up or unchanged.
fn link_body(index: u32, up: bool) -> [u8; 16] {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    if up {
        // IFF_UP in flags and mask.
        body[8..12].copy_from_slice(&1_u32.to_ne_bytes());
        body[12..16].copy_from_slice(&1_u32.to_ne_bytes());
    }
    body
}

fn link_attributes(batch: &mut Batch, name: &str, mac: [u8; 6]) {
    batch.attribute(1, &mac);
    batch.attribute(3, format!("{name}\0").as_bytes());
    batch.attribute(4, &MTU.to_ne_bytes());
}

/// `struct rtmsg` of table main with its destination: an address, or everything.
fn route(batch: &mut Batch, destination: Option<Ipv4Addr>, scope: u8) {
    const MAIN: u8 = 254;
    const UNICAST: u8 = 1;
    let length = if destination.is_some() { 32 } else { 0 };
    let body = [
        INET, length, 0, 0, MAIN, PROTOCOL, scope, UNICAST, 0, 0, 0, 0,
    ];
    batch.begin(NEW_ROUTE, CREATE, &body);
    if let Some(destination) = destination {
        batch.attribute(1, &destination.octets());
    }
}

fn pod_side(address: Ipv4Addr) -> Batch {
    let index = POD_INDEX.to_ne_bytes();
    let mut batch = Batch::default();
    let [a, b, c, d] = index;
    batch.begin(NEW_ADDRESS, CREATE, &[INET, 32, 0, UNIVERSE, a, b, c, d]);
    batch.attribute(2, &address.octets());
    batch.attribute(1, &address.octets());
    batch.begin(SET_LINK, flag::REQUEST, &link_body(POD_INDEX, true));
    route(&mut batch, Some(GATEWAY), LINK);
    batch.attribute(4, &index);
    // struct ndmsg: NUD_PERMANENT
    let mut neighbour = [0; 12];
    neighbour[0] = INET;
    neighbour[4..8].copy_from_slice(&index);
    neighbour[8..10].copy_from_slice(&0x80_u16.to_ne_bytes());
    batch.begin(NEW_NEIGHBOUR, CREATE, &neighbour);
    batch.attribute(1, &GATEWAY.octets());
    batch.attribute(2, &HOST_MAC);
    route(&mut batch, None, UNIVERSE);
    batch.attribute(5, &GATEWAY.octets());
    batch.attribute(4, &index);
    batch.acknowledge_last();
    batch
}
