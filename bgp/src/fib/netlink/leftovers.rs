//! What else may be ours in the kernel: rules by their protocol, nexthop objects of nobody's routes. Read
//! and removed for an uninstallation only.

use std::collections::BTreeSet;
use std::io;

use tokio::time::{Instant, timeout_at};

use super::{ANSWER, Netlink};
use crate::fib::message::{self, HEADER_LEN, RawMessage, attributes, errno_of, family, flag, kind};
use crate::fib::objects::Object;
use crate::fib::{Ownership, Prefix};

/// `NHA_ID`.
const ID: u16 = 1;
/// `FRA_PROTOCOL`.
const RULE_PROTOCOL: u16 = 21;
/// `struct nhmsg`, `struct fib_rule_hdr`, `struct rtmsg`, bytes.
pub(super) const NEXTHOP_LEN: usize = 8;
const RULE_LEN: usize = 12;
const ROUTE_LEN: usize = 12;

/// A rule as the kernel told it, to be deleted with its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule(Vec<u8>);

/// A route of anybody, as far as an uninstallation cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Destination.
    pub prefix: Prefix,
    /// Table.
    pub table: u32,
    /// Metric.
    pub metric: u32,
    /// Protocol.
    pub protocol: u8,
    /// The nexthop object that it uses.
    pub nexthop: Option<u32>,
}

impl Netlink {
    /// All rules of this protocol, of both families.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn rules(&mut self, protocol: u8) -> io::Result<Vec<Rule>> {
        let mut ours = Vec::new();
        for family in self.families() {
            let mut request = [0; RULE_LEN];
            request[0] = family;
            self.dump_all(kind::GET_RULE, &request, |answer| {
                let attributes = attributes(answer.payload.get(RULE_LEN..).unwrap_or_default());
                let mut protocols = attributes.filter(|(kind, _)| *kind == RULE_PROTOCOL);
                if answer.kind == kind::NEW_RULE && protocols.any(|(_, value)| value == [protocol])
                {
                    ours.push(Rule(answer.payload.to_vec()));
                }
            })
            .await?;
        }
        Ok(ours)
    }

    /// All routes that are not ours and have our protocol or use a nexthop object, in all tables.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn strangers(&mut self, owner: &Ownership) -> io::Result<Vec<Stranger>> {
        let mut found = Vec::new();
        for family in self.families() {
            let mut request = [0; ROUTE_LEN];
            request[0] = family;
            self.dump_all(kind::GET_ROUTE, &request, |answer| {
                if answer.kind != kind::NEW_ROUTE || answer.payload.first() != Some(&family) {
                    return;
                }
                let Some(route) = message::parse_route(answer.payload) else {
                    return;
                };
                let nexthop = route.object;
                let concerned = route.protocol == owner.protocol || nexthop.is_some();
                if concerned && !owner.owns(&route) {
                    found.push(Stranger {
                        prefix: route.prefix,
                        table: route.table,
                        metric: route.metric,
                        protocol: route.protocol,
                        nexthop,
                    });
                }
            })
            .await?;
        }
        Ok(found)
    }

    /// Deletes a nexthop object. False: it was gone already.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn delete_nexthop(&mut self, id: u32) -> io::Result<bool> {
        let mut request = vec![0; NEXTHOP_LEN];
        request.extend_from_slice(&8_u16.to_ne_bytes());
        request.extend_from_slice(&ID.to_ne_bytes());
        request.extend_from_slice(&id.to_ne_bytes());
        self.order(kind::DEL_NEXTHOP, &request).await
    }

    /// Deletes the nexthop objects with this protocol and own numbers that nothing of others needs. Returns
    /// how many.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn remove_objects(&mut self, owner: &Ownership) -> io::Result<usize> {
        let strangers = self.strangers(owner).await?;
        let all = self.objects().await?.unwrap_or_default();
        let is_ours =
            |object: &Object| object.protocol == owner.protocol && object.has_own_number();
        let needed = needed(&all, &strangers, is_ours);
        let ours = all.iter().filter(|object| is_ours(object));
        let mut unused: Vec<&Object> = ours.filter(|object| !needed.contains(&object.id)).collect();
        // Groups first: what is in none can go alone.
        unused.sort_by_key(|object| (object.members().is_empty(), object.id));
        let mut removed = 0;
        for object in unused {
            removed += usize::from(self.delete_nexthop(object.id).await?);
        }
        Ok(removed)
    }

    /// Deletes a rule. False: it was gone already.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn delete_rule(&mut self, rule: &Rule) -> io::Result<bool> {
        self.order(kind::DEL_RULE, &rule.0).await
    }

    pub(super) fn families(&self) -> Vec<u8> {
        let v6 = self.has_ipv6.then_some(family::INET6);
        [Some(family::INET), v6].into_iter().flatten().collect()
    }

    fn request(&mut self, kind: u16, flags: u16, body: &[u8]) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.out.clear();
        let length = u32::try_from(HEADER_LEN + body.len()).unwrap_or(u32::MAX);
        self.out.extend_from_slice(&length.to_ne_bytes());
        self.out.extend_from_slice(&kind.to_ne_bytes());
        self.out
            .extend_from_slice(&(flag::REQUEST | flags).to_ne_bytes());
        self.out.extend_from_slice(&self.sequence.to_ne_bytes());
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(body);
        self.sequence
    }

    async fn order(&mut self, kind: u16, body: &[u8]) -> io::Result<bool> {
        let sequence = self.request(kind, flag::ACK, body);
        let deadline = Instant::now() + ANSWER;
        self.send(deadline).await?;
        loop {
            timeout_at(deadline, self.receive()).await??;
            let mut answers = message::split(&self.buffer);
            let answer = answers.find(|a| a.sequence == sequence && a.kind == kind::ERROR);
            match answer.map(|answer| errno_of(answer.payload)) {
                None => {}
                Some(0) => return Ok(true),
                Some(libc::ENOENT | libc::ESRCH) => return Ok(false),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }

    pub(super) async fn dump_all(
        &mut self,
        kind: u16,
        body: &[u8],
        mut take: impl FnMut(&RawMessage<'_>) + Send,
    ) -> io::Result<()> {
        let sequence = self.request(kind, flag::DUMP, body);
        self.send(Instant::now() + ANSWER).await?;
        loop {
            timeout_at(Instant::now() + ANSWER, self.receive()).await??;
            for answer in message::split(&self.buffer) {
                if answer.sequence != sequence {
                    continue;
                }
                match answer.kind {
                    kind::DONE | kind::ERROR => {
                        return match errno_of(answer.payload) {
                            0 | libc::ENOENT => Ok(()),
                            errno => Err(io::Error::from_raw_os_error(errno)),
                        };
                    }
                    _ => take(&answer),
                }
            }
        }
    }
}

/// Which of our nexthop objects can go: deleting one takes all routes along that use it, and it out
/// of all groups. So not those that a foreign route or group needs, nor the members of our groups
/// that must stay.
#[must_use]
pub fn removable(all: &[Object], protocol: u8, strangers: &[Stranger]) -> (Vec<u32>, Vec<u32>) {
    let needed = needed(all, strangers, |nexthop| nexthop.protocol == protocol);
    let ours = all.iter().filter(|nexthop| nexthop.protocol == protocol);
    // Groups first: what is in none can go alone.
    let mut ours: Vec<&Object> = ours.collect();
    ours.sort_by_key(|nexthop| (nexthop.members().is_empty(), nexthop.id));
    let ids = ours.into_iter().map(|nexthop| nexthop.id);
    ids.partition(|id| !needed.contains(id))
}

/// What routes and groups of others need of these objects, and the members of that.
#[must_use]
pub fn needed(
    all: &[Object],
    strangers: &[Stranger],
    is_ours: impl Fn(&Object) -> bool,
) -> BTreeSet<u32> {
    let mut needed: BTreeSet<u32> = strangers.iter().filter_map(|route| route.nexthop).collect();
    for group in all.iter().filter(|nexthop| !is_ours(nexthop)) {
        needed.extend(group.members());
    }
    for group in all {
        if needed.contains(&group.id) {
            needed.extend(group.members());
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fib::objects::Shape;

    #[test]
    fn what_others_use_stays() {
        let nexthop = |id, protocol, members: &[u32]| Object {
            id,
            protocol,
            shape: match members {
                [] => Shape::Other,
                members => Shape::Group {
                    members: members.to_vec(),
                    resilient: None,
                },
            },
            extras: false,
        };
        let all = [
            nexthop(1, 77, &[]),
            nexthop(2, 77, &[]),
            nexthop(3, 77, &[]),
            nexthop(4, 77, &[]),
            nexthop(5, 11, &[]),
            nexthop(10, 77, &[1, 2]),
            nexthop(11, 77, &[3]),
            nexthop(12, 11, &[4, 5]),
        ];
        let stranger = Stranger {
            prefix: "10.0.0.0/8".parse().unwrap(),
            table: 254,
            metric: 0,
            protocol: 4,
            nexthop: Some(11),
        };
        let (go, stay) = removable(&all, 77, &[stranger]);
        assert_eq!(go, [10, 1, 2]);
        assert_eq!(stay, [11, 3, 4]);
        assert_eq!(removable(&all, 77, &[]).1, [4]);
    }
}
