//! What objects are, and what can be written.

use super::super::Gateway;
use super::super::message::nexthop::Resilient;

/// The first own number: "rc" in the upper half.
pub const FIRST_ID: u32 = 0x7263_0000;
/// The last one.
pub const LAST_ID: u32 = 0x7263_ffff;

/// Whether groups are used, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Flows are spread by a hash over the members.
    Groups,
    /// Flows stay with their member when others come and go.
    Resilient(Resilient),
    /// Routes name all gateways themselves, for this reason.
    Multipath(&'static str),
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A gateway on a link.
    Hop(Gateway),
    /// Several others.
    Group {
        /// Their numbers.
        members: Vec<u32>,
        /// Its kind; none: plain.
        resilient: Option<Resilient>,
    },
    /// None that is made here: a blackhole, a link without a gateway.
    Other,
}

/// A nexthop object in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its number.
    pub id: u32,
    /// `nh_protocol`.
    pub protocol: u8,
    /// What it is.
    pub shape: Shape,
    /// It has what own ones never have: encapsulation, a gateway that is only declared to be on the link,
    /// weights.
    pub extras: bool,
}

impl Object {
    /// Whether its number is of the own range.
    #[must_use]
    pub fn has_own_number(&self) -> bool {
        (FIRST_ID..=LAST_ID).contains(&self.id)
    }

    /// The numbers of a group's members.
    #[must_use]
    pub fn members(&self) -> &[u32] {
        match &self.shape {
            Shape::Group { members, .. } => members,
            _ => &[],
        }
    }

    /// The gateways behind it, sorted.
    #[must_use]
    pub fn gateways<'a>(&self, find: impl Fn(u32) -> Option<&'a Self>) -> Vec<Gateway> {
        let of = |object: &Self| match object.shape {
            Shape::Hop(gateway) => Some(gateway),
            _ => None,
        };
        let members = self.members().iter().filter_map(|id| of(find(*id)?));
        let mut gateways: Vec<Gateway> = of(self).into_iter().chain(members).collect();
        gateways.sort_unstable();
        gateways
    }
}

/// One change of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A gateway on a link.
    Hop {
        /// Number.
        id: u32,
        /// What it is.
        gateway: Gateway,
        /// There is one of ours with this number, and it is another one.
        replaces: bool,
    },
    /// A group.
    Group {
        /// Number.
        id: u32,
        /// Numbers of hops; never empty.
        members: Vec<u32>,
        /// There is one.
        replaces: bool,
    },
    /// It is not used any more.
    Delete {
        /// Number.
        id: u32,
    },
}

impl Write {
    /// Which object.
    #[must_use]
    pub fn id(&self) -> u32 {
        match self {
            Self::Hop { id, .. } | Self::Group { id, .. } | Self::Delete { id } => *id,
        }
    }
}
