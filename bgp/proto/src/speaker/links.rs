//! Peers that are found on links: who is there is told from outside ([`Input::Links`](super::Input)).
//!
//! One that was found is a peer as any other, for as long as it is said to be there: it is dialled and
//! accepted, and comes back after an error. Its address is link-local, so it is known by its link, too.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use super::Speaker;
use super::api::{LinkState, NextHop, PeerConfig, PeerId, Remote};
use super::difference::Field;
use super::drain::DrainState;
use super::neighbor::Neighbor;
use super::neighbors::Links;
use super::own::Interface;
use super::restart::Deferral;
use crate::error::Notification;
use crate::fsm::PeerInput;
use crate::iana::cease_subcode;

impl Speaker {
    pub(super) fn relink(&mut self, links: Vec<LinkState>, now: Instant) {
        let names = self.neighbors.links();
        let names = names.map(|(id, links)| (links.config.name.clone(), id));
        let names: HashMap<String, PeerId> = names.collect();
        let of = |link: &LinkState| names.get(&link.peer).copied();
        let patterns: Vec<PeerId> = names.values().copied().collect();
        for id in patterns {
            let waits = |link: &&LinkState| of(link) == Some(id) && link.neighbor.is_none();
            let waiting = links.iter().filter(waits).count();
            if let Some(links) = self.neighbors.links_mut(id) {
                links.waiting = waiting;
            }
        }
        let mut found: HashMap<(PeerId, u32, Ipv6Addr), Interface> = HashMap::new();
        for link in links {
            if let (Some(id), Some(address)) = (of(&link), link.neighbor) {
                found.insert((id, link.interface.index, address), link.interface);
            }
        }
        for (id, key) in self.on_links() {
            match found.remove(&key) {
                None => {
                    self.remember_order(id, key.0);
                    let words = Notification::cease(cease_subcode::PEER_DECONFIGURED);
                    self.retire(id, &words, now);
                }
                Some(interface) => self.rename_link(id, key.0, interface, now),
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|(key, _)| *key);
        for ((links, _, address), interface) in found {
            self.add_on_link(links, address, interface, now);
        }
        self.remove_left();
    }

    /// The neighbours on links with whom a session is Established.
    pub fn established_on_links(&self) -> impl Iterator<Item = NextHop> + '_ {
        let on_links = self
            .neighbors
            .iter()
            .filter(|peer| peer.interface().is_some());
        let up = on_links.filter(|peer| peer.session().is_some() && !peer.is_gone());
        up.map(Neighbor::as_hop)
    }

    /// Those with whom one was, and that may be restarting: their routes are kept as stale. Not those
    /// whose routes are left as the last resort (long-lived), for which nobody need wait.
    pub fn restarting_on_links(&self) -> impl Iterator<Item = NextHop> + '_ {
        let adj_in = self.rib.adj_in();
        let on_links = self
            .neighbors
            .iter()
            .filter(|peer| peer.interface().is_some() && !peer.is_gone());
        let restarting = on_links.filter(|peer| peer.may_be_restarting(adj_in));
        restarting.map(Neighbor::as_hop)
    }

    /// Whoever has this name is not there now; is not shut down when it is found. False: the name can
    /// only be that of a peer that is there, or of nobody.
    pub fn start_absent(&mut self, name: &str) -> bool {
        let patterns: Vec<PeerId> = self.neighbors.links().map(|(id, _)| id).collect();
        patterns.into_iter().any(|id| {
            let links = self.neighbors.links_mut(id);
            links.is_some_and(|links| forget_order(links, name))
        })
    }

    /// All peers on links, each with its pattern, link and address.
    fn on_links(&self) -> Vec<(PeerId, (PeerId, u32, Ipv6Addr))> {
        let known = self.neighbors.iter().filter_map(|peer| {
            let links = peer.pattern()?;
            match &peer.config.remote {
                Remote::Neighbor {
                    address, interface, ..
                } => Some((peer.id, (links, interface.index, *address))),
                _ => None,
            }
        });
        known.collect()
    }

    fn add_on_link(
        &mut self,
        links: PeerId,
        address: Ipv6Addr,
        interface: Interface,
        now: Instant,
    ) {
        let Some(pattern) = self.neighbors.links_mut(links) else {
            return;
        };
        let held = pattern.shut_down.remove(&interface.name);
        let Some(peer) = on_link(&pattern.config, address, interface) else {
            return;
        };
        let id = self.neighbors.find_on_link(links, &peer, &self.config, now);
        let Some(id) = id else { return };
        self.rib.make_room(self.neighbors.len());
        if held {
            let words = Notification::shutdown("");
            self.feed_peer(id.index(), PeerInput::HoldDown(words), now);
        }
        if self.deferral != Deferral::Stopped && self.drain != DrainState::Closed {
            self.hold_back(id, now);
            self.feed_peer(id.index(), PeerInput::Start, now);
        }
    }

    /// It is about to go. The order was about its link, on which another router, or the same one with
    /// another address, may be next.
    fn remember_order(&mut self, id: PeerId, links: PeerId) {
        if !self.is_shut_down(id) {
            return;
        }
        let neighbor = self.neighbors.get(id.index());
        let name = neighbor.and_then(Neighbor::interface);
        let Some(name) = name.map(|interface| interface.name.clone()) else {
            return;
        };
        if let Some(links) = self.neighbors.links_mut(links) {
            links.shut_down.insert(name);
        }
    }

    /// The link may be called otherwise now.
    fn rename_link(&mut self, id: PeerId, links: PeerId, interface: Interface, now: Instant) {
        let neighbor = self.neighbors.get(id.index());
        let before = neighbor.and_then(Neighbor::interface);
        if before.is_none_or(|before| *before == interface) {
            return;
        }
        let address = neighbor.map(|neighbor| neighbor.address);
        let Some(IpAddr::V6(address)) = address else {
            return;
        };
        let pattern = self.neighbors.links_mut(links);
        let member = pattern.and_then(|links| on_link(&links.config, address, interface));
        if let Some(member) = member {
            self.change_session(id, member, &[Field::Name], now);
        }
    }
}

/// The peer on a link that is made of a pattern. `None`: it is no pattern of links.
fn on_link(pattern: &PeerConfig, address: Ipv6Addr, interface: Interface) -> Option<PeerConfig> {
    let Remote::Link { links, port, .. } = &pattern.remote else {
        return None;
    };
    let name = if links.contains('*') {
        format!("{}/{}", pattern.name, interface.name)
    } else {
        pattern.name.clone()
    };
    Some(PeerConfig {
        name,
        remote: Remote::Neighbor {
            address,
            interface,
            port: *port,
        },
        ..pattern.clone()
    })
}

/// Who is found on its link is not shut down. False: it is none of the pattern's, or, where that means
/// several links, none that was shut down.
fn forget_order(pattern: &mut Links, name: &str) -> bool {
    let Remote::Link { links, .. } = &pattern.config.remote else {
        return false;
    };
    if links.contains('*') {
        let link = name.strip_prefix(&pattern.config.name);
        let link = link.and_then(|link| link.strip_prefix('/'));
        return link.is_some_and(|link| pattern.shut_down.remove(link));
    }
    let is_its = pattern.config.name == name;
    if is_its {
        pattern.shut_down.remove(links);
    }
    is_its
}

/// The same peer by another pattern.
pub(super) fn moved(pattern: &PeerConfig, peer: &Neighbor) -> Option<PeerConfig> {
    match &peer.config.remote {
        Remote::Neighbor {
            address, interface, ..
        } => on_link(pattern, *address, interface.clone()),
        _ => None,
    }
}
