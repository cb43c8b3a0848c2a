//! What others do to routes, links and addresses.
//!
//! A socket filter drops notifications of our own writes in the kernel: a hundred thousand of them
//! would cost more than the writing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;

use super::drift::Doer;
use super::message::{self, RawMessage, flag, kind, nexthop, u32_at};
use super::resolve::Link;
use super::rivals::{Foreign, News};
use super::wire::{self, DATAGRAM, Opener, Wire};
use super::{Gateway, KernelRoute, Ownership, Prefix, Target};

/// Links of this name prefix are pods' host ends: no next hop is ever there, and a busy node makes
/// and removes many.
const POD_LINK: &[u8] = b"rcni";

/// Something that was done by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// An own route was deleted, or these gateways of it (IPv6).
    OwnGone(Prefix, Vec<Gateway>, Doer),
    /// A route with our marks was made or changed.
    OwnSeen(Prefix, Target, Doer),
    /// A foreign route stands where ours would; `replaced`: in the place of what was there.
    ForeignSeen {
        /// Destination.
        prefix: Prefix,
        /// `NLM_F_REPLACE`.
        replaced: bool,
        /// Whose.
        doer: Doer,
    },
    /// A foreign route left such a place.
    ForeignGone(Prefix),
    /// A foreign route, whatever its metric, came or went: told beside the others.
    Rival(News),
    /// The state of a link: it changed, or it was asked for at the start. Links of pods never count.
    Link {
        /// Index.
        index: u32,
        /// How it is now.
        now: Link,
    },
    /// An address was added: what was unreachable may be reachable.
    Reachable,
    /// A network is connected now, by a route without a gateway: what was unreachable and is in it
    /// may be reachable.
    Connected(Prefix),
    /// An address went: the kernel deletes routes then and does not say which.
    Flushed,
    /// A nexthop object was made, changed or deleted. `own_gone`: it was one with a number of ours, and
    /// its routes went with it without a word, even if it has been made again since.
    Object {
        /// See above.
        own_gone: bool,
    },
    /// Notifications were lost.
    Lost,
}

/// The socket and what was read from it.
pub struct Monitor {
    wire: Arc<dyn Wire>,
    opener: Opener,
    owner: Ownership,
    buffer: BytesMut,
    ready: VecDeque<Observed>,
    links: Links,
}

/// The links that are there, by index.
#[derive(Default)]
struct Links {
    /// How it is.
    known: HashMap<u32, Link>,
    /// Those of pods.
    pods: HashSet<u32>,
}

/// What is listened to (`RTNLGRP_*`); a kernel without nexthop objects has no group for them.
pub const GROUPS: [u32; 6] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV6_ROUTE,
    libc::RTNLGRP_NEXTHOP,
];

impl Monitor {
    /// Subscribes. Notifications that `own_port`'s writes cause are not delivered.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(owner: Ownership, own_port: u32) -> io::Result<Self> {
        let opener = || wire::notifications(&GROUPS);
        Self::through(owner, own_port, Box::new(opener))
    }

    /// Over a socket that `opener` opens, and opens again where the first is of no use any more.
    ///
    /// # Errors
    /// Its first, or the kernel's.
    pub fn through(owner: Ownership, own_port: u32, opener: Opener) -> io::Result<Self> {
        Ok(Self {
            wire: begin(&opener, own_port)?,
            opener,
            owner,
            buffer: BytesMut::with_capacity(DATAGRAM),
            ready: VecDeque::new(),
            links: Links::default(),
        })
    }

    /// Own writes come from this port now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn follow(&mut self, own_port: u32) -> io::Result<()> {
        self.wire.ignore(own_port)
    }

    /// Subscribes anew; what happened since the last observation is lost.
    ///
    /// # Errors
    /// The kernel's; the old socket stays.
    pub fn reopen(&mut self, own_port: u32) -> io::Result<()> {
        self.wire = begin(&self.opener, own_port)?;
        self.links = Links::default();
        Ok(())
    }

    /// Has the kernel tell all links again: changes were lost.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ask_for_links(&mut self) -> io::Result<()> {
        self.links.known.clear();
        ask_for_links(&*self.wire)
    }

    /// The next observation, if there is one already.
    ///
    /// # Errors
    /// As of [`Monitor::next`].
    pub async fn now(&mut self) -> Option<io::Result<Observed>> {
        let mut next = std::pin::pin!(self.next());
        std::future::poll_fn(|context| {
            Poll::Ready(match next.as_mut().poll(context) {
                Poll::Ready(observed) => Some(observed),
                Poll::Pending => None,
            })
        })
        .await
    }

    /// The next observation. Safe to drop while it waits.
    ///
    /// # Errors
    /// The kernel's, other than that it lost something.
    pub async fn next(&mut self) -> io::Result<Observed> {
        loop {
            if let Some(observed) = self.ready.pop_front() {
                return Ok(observed);
            }
            match wire::receive(&*self.wire, &mut self.buffer).await {
                Ok(()) => {}
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EBADMSG)) =>
                {
                    return Ok(Observed::Lost);
                }
                Err(error) => return Err(error),
            }
            for raw in message::split(&self.buffer) {
                let observed = match raw.kind {
                    kind::NEW_LINK | kind::DEL_LINK => self.links.change(&raw),
                    kind::NEW_ADDRESS | kind::DEL_ADDRESS => self.links.address(&raw),
                    kind::NEW_ROUTE | kind::DEL_ROUTE => {
                        let Some(route) = message::parse_route(raw.payload) else {
                            continue;
                        };
                        let rival = rival(&self.owner, &self.links, &route, &raw);
                        self.ready.extend(rival.map(Observed::Rival));
                        classify(&self.owner, &self.links, &route, &raw)
                    }
                    kind::NEW_NEXTHOP | kind::DEL_NEXTHOP => {
                        let gone = raw.kind == kind::DEL_NEXTHOP;
                        let own_gone = gone
                            && nexthop::parse(&raw).is_some_and(|object| object.has_own_number());
                        Some(Observed::Object { own_gone })
                    }
                    _ => None,
                };
                self.ready.extend(observed);
            }
        }
    }
}

/// Subscribes and asks which links are pods' and which are up; the answers come among the
/// notifications.
fn begin(opener: &Opener, own_port: u32) -> io::Result<Arc<dyn Wire>> {
    let wire = opener()?;
    wire.ignore(own_port)?;
    ask_for_links(&*wire)?;
    Ok(wire)
}

fn ask_for_links(wire: &dyn Wire) -> io::Result<()> {
    let mut request = Vec::new();
    message::dump_links(&mut request, 0);
    wire.send(&request)
}

fn rival(
    owner: &Ownership,
    links: &Links,
    route: &KernelRoute,
    raw: &RawMessage<'_>,
) -> Option<News> {
    if links.has_pod(route) {
        return None;
    }
    let route = Foreign::of(owner, route)?;
    Some(if raw.kind == kind::DEL_ROUTE {
        News::Gone(route)
    } else {
        let replaced = raw.flags & flag::REPLACE != 0;
        News::Seen { route, replaced }
    })
}

fn classify(
    owner: &Ownership,
    links: &Links,
    route: &KernelRoute,
    raw: &RawMessage<'_>,
) -> Option<Observed> {
    let doer = Doer(raw.port);
    let gone = raw.kind == kind::DEL_ROUTE;
    let prefix = route.prefix;
    if owner.owns(route) {
        return Some(if gone {
            Observed::OwnGone(prefix, route.gateways.clone(), doer)
        } else {
            Observed::OwnSeen(prefix, route.target(), doer)
        });
    }
    if owner.same_place(route) {
        return Some(if gone {
            Observed::ForeignGone(prefix)
        } else {
            Observed::ForeignSeen {
                prefix,
                replaced: raw.flags & flag::REPLACE != 0,
                doer,
            }
        });
    }
    let pod = links.has_pod(route);
    let connects =
        !gone && route.unicast && !pod && route.gateways.is_empty() && route.object.is_none();
    connects.then_some(Observed::Connected(prefix))
}

impl Links {
    /// Whether the route leads to a pod.
    fn has_pod(&self, route: &KernelRoute) -> bool {
        let interface = route.interface;
        interface.is_some_and(|index| self.pods.contains(&index))
    }

    /// `struct ifinfomsg`: index at 4, flags at 8, attributes from 16.
    fn change(&mut self, raw: &RawMessage<'_>) -> Option<Observed> {
        const IFLA_IFNAME: u16 = 3;
        // Neighbour tables of bridges come as links of another family.
        if raw.payload.first() != Some(&0) {
            return None;
        }
        let index = u32_at(raw.payload, 4)?;
        let flags = u32_at(raw.payload, 8)?;
        let pod = message::attributes(raw.payload.get(16..)?)
            .any(|(kind, value)| kind == IFLA_IFNAME && value.starts_with(POD_LINK));
        if raw.kind == kind::DEL_LINK {
            self.pods.remove(&index);
            let now = Link::Gone;
            let known = self.known.remove(&index);
            return known.map(|_| Observed::Link { index, now });
        }
        if pod {
            self.pods.insert(index);
            let now = Link::Gone;
            let known = self.known.remove(&index);
            return known.map(|_| Observed::Link { index, now });
        }
        // Renamed, if it was one.
        self.pods.remove(&index);
        let is = |flag: i32| flags & flag.cast_unsigned() != 0;
        let now = match (is(libc::IFF_UP), is(libc::IFF_RUNNING)) {
            (false, _) => Link::Off,
            (true, false) => Link::NoCarrier,
            (true, true) => Link::Up,
        };
        let before = self.known.insert(index, now);
        let is_news = match before {
            // The answer to our own question at the start: what is up is nothing new.
            None => raw.flags & flag::MULTI == 0 || now != Link::Up,
            Some(before) => before != now,
        };
        is_news.then_some(Observed::Link { index, now })
    }

    /// `struct ifaddrmsg`: index at 4. What happens to pods' links does not matter to next hops.
    fn address(&self, raw: &RawMessage<'_>) -> Option<Observed> {
        let index = u32_at(raw.payload, 4)?;
        if self.pods.contains(&index) {
            return None;
        }
        Some(match raw.kind {
            kind::NEW_ADDRESS => Observed::Reachable,
            _ => Observed::Flushed,
        })
    }
}

#[cfg(test)]
mod tests;
