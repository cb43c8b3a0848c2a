//! Netlink's event groups, filtered before anything is decoded further than needed: a node may learn
//! 100,000 routes and reload 10,000 foreign rules without waking anybody up.

use std::io;
use std::time::Duration;

use netlink_sys::{
    AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket,
    protocols::{NETLINK_NETFILTER, NETLINK_ROUTE},
};

use super::Event;
use crate::nfnetlink::{self, Message, attribute, kind};
use crate::table::model::{Family, Hook, OWN_PREFIX, TableName};

/// `NFNLGRP_NFTABLES`.
const GROUP_NFTABLES: u32 = 7;
/// `RTNLGRP_IPV4_ROUTE` and `RTNLGRP_IPV4_NETCONF`.
const GROUPS_IPV4: [u32; 2] = [7, 24];
/// `RTNLGRP_IPV6_ROUTE` and `RTNLGRP_IPV6_NETCONF`.
const GROUPS_IPV6: [u32; 2] = [11, 25];
/// `RTM_DELROUTE`.
const DEL_ROUTE: u16 = 25;
/// `RTM_NEWNETCONF`.
const NEW_NETCONF: u16 = 80;
/// `NETCONFA_IFINDEX`, which stands where nfnetlink's attributes stand.
const NETCONF_IFINDEX: u16 = 1;
/// `NETCONFA_IFINDEX_ALL`: not a single link's setting, of which every new pod changes some.
const NETCONF_ALL: i32 = -1;
/// `RTN_BLACKHOLE`, at this place in `struct rtmsg`.
const BLACKHOLE: (usize, u8) = (7, 6);
/// Enough for bursts; more is `ENOBUFS`, and a check.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A socket that hears events.
pub struct Listener {
    socket: TokioSocket,
    filter: fn(&Message<'_>) -> Option<Event>,
    /// Message families (first byte) that are looked at.
    families: Vec<u8>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Listener {
    /// Hears about nftables.
    ///
    /// # Errors
    /// The kernel has no nfnetlink.
    pub fn rules(families: &[Family]) -> io::Result<Self> {
        Self::open(NETLINK_NETFILTER, &[GROUP_NFTABLES], families, rules_event)
    }

    /// Hears about routes and forwarding.
    ///
    /// # Errors
    /// No socket may be opened.
    pub fn routes(families: &[Family]) -> io::Result<Self> {
        let groups = families.iter().flat_map(|family| match family {
            Family::V4 => GROUPS_IPV4,
            Family::V6 => GROUPS_IPV6,
        });
        let groups: Vec<u32> = groups.collect();
        Self::open(NETLINK_ROUTE, &groups, families, routes_event)
    }

    fn open(
        protocol: isize,
        groups: &[u32],
        families: &[Family],
        filter: fn(&Message<'_>) -> Option<Event>,
    ) -> io::Result<Self> {
        let mut socket = TokioSocket::new(protocol)?;
        socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
        socket.socket_ref().set_rx_buf_sz(RECEIVE_BUFFER)?;
        for group in groups {
            socket.socket_mut().add_membership(*group)?;
        }
        // AF_INET and AF_INET6 have the numbers of nftables' families.
        let families = families.iter().copied().map(nfnetlink::number_of);
        Ok(Self {
            socket,
            filter,
            families: families.collect(),
        })
    }

    /// The next event that concerns us. Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            let datagram = match self.socket.recv_from_full().await {
                Ok((datagram, _)) => datagram,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Event::Lost,
                Err(_) => {
                    // Nothing known does this; it must not become a busy loop.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    return Event::Lost;
                }
            };
            let event = nfnetlink::messages(&datagram).find_map(|message| {
                let family = message.family()?;
                self.families.contains(&family).then_some(())?;
                (self.filter)(&message)
            });
            if let Some(event) = event {
                return event;
            }
        }
    }
}

/// Rules come and go in our chains and in those that we are entered from; chains and tables of
/// these names go.
fn rules_event(message: &Message<'_>) -> Option<Event> {
    let table = TableName::from_name(message.text(attribute::TABLE)?);
    table?;
    let concerns = match message.kind {
        kind::DEL_TABLE => true,
        kind::NEW_CHAIN | kind::DEL_CHAIN => is_ours(message.text(attribute::CHAIN_NAME)?),
        kind::NEW_RULE | kind::DEL_RULE => is_ours(message.text(attribute::RULE_CHAIN)?),
        _ => false,
    };
    concerns.then_some(Event::Rules)
}

fn is_ours(chain: &str) -> bool {
    let hooks = [Hook::Forward, Hook::Postrouting];
    chain.starts_with(OWN_PREFIX) || hooks.iter().any(|hook| hook.as_str() == chain)
}

fn routes_event(message: &Message<'_>) -> Option<Event> {
    match message.kind {
        DEL_ROUTE if message.payload.get(BLACKHOLE.0) == Some(&BLACKHOLE.1) => {
            Some(Event::Blackhole)
        }
        NEW_NETCONF if message.attribute(NETCONF_IFINDEX) == Some(&NETCONF_ALL.to_ne_bytes()) => {
            Some(Event::Forwarding)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, family: u8, table: &str, attribute: u16, chain: &str) -> Option<Event> {
        let mut bytes = Vec::new();
        let names = [(attribute::TABLE, table), (attribute, chain)];
        nfnetlink::push(&mut bytes, kind, 0, family, &names);
        nfnetlink::messages(&bytes).find_map(|message| rules_event(&message))
    }

    #[test]
    fn only_what_concerns_us_wakes_us_up() {
        let rule = attribute::RULE_CHAIN;
        let chain = attribute::CHAIN_NAME;
        let yes = Some(Event::Rules);
        assert_eq!(event(kind::DEL_RULE, 2, "filter", rule, "FORWARD"), yes);
        assert_eq!(
            event(kind::NEW_RULE, 2, "nat", rule, "RCNI-POSTROUTING"),
            yes
        );
        assert_eq!(
            event(kind::DEL_CHAIN, 2, "nat", chain, "RCNI-POSTROUTING"),
            yes
        );
        assert_eq!(event(kind::DEL_TABLE, 2, "nat", 99, ""), yes);
        assert_eq!(event(kind::NEW_RULE, 2, "nat", rule, "KUBE-SERVICES"), None);
        assert_eq!(event(kind::NEW_RULE, 10, "filter", rule, "FORWARD"), yes);
        assert_eq!(event(kind::NEW_RULE, 2, "mine", rule, "FORWARD"), None);
        assert_eq!(event(kind::NEW_TABLE, 2, "nat", 99, ""), None);
    }
}
