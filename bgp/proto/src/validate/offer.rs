//! What is offered to one peer in the OPEN besides families and graceful restart.

use std::fmt;

use crate::iana::role;

/// The own role on a session between two ASes (RFC 9234 §4): what this side is to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Transit is sold to the peer.
    Provider,
    /// A route server, the peer is its client.
    RouteServer,
    /// The peer is a route server.
    RouteServerClient,
    /// Transit is bought from the peer.
    Customer,
    /// Own and customers' routes are exchanged.
    Peer,
}

impl Role {
    /// The value of the capability (RFC 9234 §4.1).
    #[must_use]
    pub fn to_wire(self) -> u8 {
        match self {
            Self::Provider => role::PROVIDER,
            Self::RouteServer => role::ROUTE_SERVER,
            Self::RouteServerClient => role::ROUTE_SERVER_CLIENT,
            Self::Customer => role::CUSTOMER,
            Self::Peer => role::PEER,
        }
    }

    /// The role of a value, if it is assigned.
    #[must_use]
    pub fn from_wire(value: u8) -> Option<Self> {
        Some(match value {
            role::PROVIDER => Self::Provider,
            role::ROUTE_SERVER => Self::RouteServer,
            role::ROUTE_SERVER_CLIENT => Self::RouteServerClient,
            role::CUSTOMER => Self::Customer,
            role::PEER => Self::Peer,
            _ => return None,
        })
    }

    /// The only role that the other side may have (RFC 9234 §4.2, table 2).
    #[must_use]
    pub fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Peer => Self::Peer,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "provider",
            Self::RouteServer => "rs-server",
            Self::RouteServerClient => "rs-client",
            Self::Customer => "customer",
            Self::Peer => "peer",
        })
    }
}

/// Several paths per prefix (RFC 7911), in all families of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddPath {
    /// Take them.
    pub receive: bool,
    /// Tell at most so many per prefix; 0: one, without identifiers.
    pub send: u8,
}

/// What is offered to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Messages of more than 4096 octets (RFC 8654).
    pub extended_messages: bool,
    /// Several paths per prefix.
    pub add_path: AddPath,
    /// The own role (RFC 9234); only for peers in other ASes.
    pub role: Option<Role>,
    /// Refuse a peer that does not say its role (RFC 9234 §4.2).
    pub role_strict: bool,
}

impl Default for Offer {
    /// Extended messages only.
    fn default() -> Self {
        Self {
            extended_messages: true,
            add_path: AddPath::default(),
            role: None,
            role_strict: false,
        }
    }
}
