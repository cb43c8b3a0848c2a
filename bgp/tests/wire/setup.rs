//! What differs between labs.

use super::bytes::Open;
use super::observer::Observer;
use crate::common::FILTER_ALL;

/// The puppet: who it is, how the daemon is told of it, what it offers.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The puppet's AS number.
    pub asn: u16,
    /// Further fields of the puppet's BGPPeer.
    pub peer: &'static str,
    /// The OPEN of the puppet's good sessions.
    pub open: Open,
    /// The AS_PATH that P is announced cleanly with.
    pub clean_path: &'static str,
    /// Before each prefix of the puppet's: a path identifier, if it may send those.
    pub path_id: &'static str,
    /// The puppet's address and the daemon's.
    pub ends: [&'static str; 2],
}

impl Setup {
    pub fn external() -> Self {
        Self {
            asn: 65001,
            peer: "",
            open: Open::rows(),
            clean_path: "400206 0201 0000fde9",
            path_id: "",
            ends: ["10.99.0.2", "10.99.0.1"],
        }
    }

    pub fn internal() -> Self {
        Self {
            asn: 65000,
            open: Open::new(65000),
            ..Self::external()
        }
    }

    /// The puppet has no 4-octet AS numbers.
    pub fn two_octets() -> Self {
        let families = super::bytes::parameter("01 04 00010001 01 04 00020001 02 00");
        Self {
            open: Open::rows().parameters(&families),
            clean_path: "400204 0201 fde9",
            ..Self::external()
        }
    }

    /// The puppet's session is one of IPv6.
    pub fn over_ipv6() -> Self {
        Self {
            ends: ["fd00:99::2", "fd00:99::1"],
            ..Self::external()
        }
    }

    /// With further fields of the puppet's BGPPeer.
    pub fn with(self, peer: &'static str) -> Self {
        Self { peer, ..self }
    }

    /// The puppet has more capabilities.
    pub fn and(self, capabilities: &str) -> Self {
        let open = self.open.and(capabilities);
        Self { open, ..self }
    }

    /// The daemon's file.
    pub fn config(&self) -> String {
        let Self {
            asn,
            peer,
            ends: [address, _],
            ..
        } = self;
        format!(
            "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: 65000, routerID: 10.99.0.1}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: puppet}}
spec: {{peerIP: '{address}', asNumber: {asn}, connectRetrySeconds: 1, filters: [all]{peer}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: observer}}
spec: {{peerIP: 10.99.0.3, asNumber: {}, passive: true, nextHopMode: Self, filters: [all]}}
{}",
            Observer::ASN,
            FILTER_ALL
        )
    }
}
