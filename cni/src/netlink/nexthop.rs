//! What is needed of the kernel's nexthop objects (`linux/nexthop.h`), which routes may name instead of
//! having next hops of their own.

use std::collections::HashMap;

use super::{Netlink, NetlinkError, attributes_of, read_u32};

const RTM_GETNEXTHOP: u16 = 106;
/// `struct nhmsg { u8 family; u8 scope; u8 protocol; u8 reserved; u32 flags; }`
const NHMSG_LEN: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
/// `struct nexthop_grp { u32 id; u8 weight; u8 weight_high; u16 reserved; }`
const MEMBER_LEN: usize = 8;

/// Where one object leads.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Nexthop {
    /// To packets' end, for a blackhole: without a link.
    Single { oif: Option<u32>, gateway: bool },
    /// To all of these; groups have no groups in them.
    Group(Vec<u32>),
}

/// All of them, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nexthops(HashMap<u32, Nexthop>);

impl Nexthops {
    /// Asks for all.
    ///
    /// # Errors
    /// If the kernel does not list them.
    pub(crate) fn list(netlink: &mut Netlink) -> Result<Self, NetlinkError> {
        let bodies = netlink.dump_raw("list the next hops", RTM_GETNEXTHOP, &[0; NHMSG_LEN])?;
        Ok(Self::of(&bodies))
    }

    fn of(bodies: &[Vec<u8>]) -> Self {
        Self(bodies.iter().filter_map(|body| parse(body)).collect())
    }

    /// The links that `id` leads out by, each with whether a gateway is behind it; `None` if there is
    /// no such object, or not all of it.
    pub(crate) fn links(&self, id: u32) -> Option<Vec<(u32, bool)>> {
        let link = |id: &u32| match self.0.get(id)? {
            Nexthop::Single { oif, gateway } => Some(oif.map(|oif| (oif, *gateway))),
            Nexthop::Group(_) => None,
        };
        let links: Option<Vec<_>> = match self.0.get(&id)? {
            Nexthop::Group(members) => members.iter().map(link).collect(),
            Nexthop::Single { .. } => link(&id).map(|link| vec![link]),
        };
        Some(links?.into_iter().flatten().collect())
    }
}

fn parse(body: &[u8]) -> Option<(u32, Nexthop)> {
    let (mut id, mut oif, mut gateway, mut group) = (None, None, false, None);
    for (kind, value) in attributes_of(body.get(NHMSG_LEN..)?) {
        match kind {
            NHA_ID => id = read_u32(value, 0),
            NHA_OIF => oif = read_u32(value, 0),
            NHA_GATEWAY => gateway = true,
            NHA_GROUP => {
                let members = value.chunks_exact(MEMBER_LEN);
                group = Some(members.filter_map(|member| read_u32(member, 0)).collect());
            }
            _ => {}
        }
    }
    let single = Nexthop::Single { oif, gateway };
    Some((id?, group.map_or(single, Nexthop::Group)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes
    }

    fn object(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![2, 0, 77, 0, 0, 0, 0, 0];
        body.extend(attributes.concat());
        body
    }

    #[test]
    fn groups_lead_where_their_members_do() {
        let number = |number: u32| number.to_ne_bytes();
        let member = |id: u32| [number(id), [0, 0, 0, 0]].concat();
        let nexthops = Nexthops::of(&[
            object(&[
                attribute(NHA_ID, &number(1)),
                attribute(NHA_OIF, &number(7)),
                attribute(NHA_GATEWAY, &[10, 0, 0, 1]),
            ]),
            object(&[
                attribute(NHA_ID, &number(2)),
                attribute(NHA_OIF, &number(8)),
            ]),
            // NHA_BLACKHOLE
            object(&[attribute(NHA_ID, &number(3)), attribute(4, &[])]),
            object(&[
                attribute(NHA_ID, &number(4)),
                attribute(NHA_GROUP, &[member(1), member(2)].concat()),
            ]),
            object(&[
                attribute(NHA_ID, &number(5)),
                attribute(NHA_GROUP, &[member(1), member(9)].concat()),
            ]),
            object(&[
                attribute(NHA_ID, &number(6)),
                attribute(NHA_GROUP, &member(6)),
            ]),
        ]);
        assert_eq!(nexthops.links(1), Some(vec![(7, true)]));
        assert_eq!(nexthops.links(2), Some(vec![(8, false)]));
        assert_eq!(nexthops.links(3), Some(vec![]));
        assert_eq!(nexthops.links(4), Some(vec![(7, true), (8, false)]));
        for missing in [5, 6, 9] {
            assert_eq!(nexthops.links(missing), None, "{missing}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let found = Nexthops::of(std::slice::from_ref(&bytes));
            for id in found.0.keys() {
                let _ = found.links(*id);
            }
        }
    }
}
