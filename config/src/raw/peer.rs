//! A neighbour in `rcni-bgp`'s file.

use serde::{Deserialize, Serialize};

use super::{AsNumber, Int, Located, MaximumPrefixesSpec, Secret};

/// One neighbour, or all that connect from a range of addresses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(kube::CustomResource, schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "rcni.io",
        version = "v1alpha1",
        kind = "BGPPeer",
        plural = "bgppeers",
        singular = "bgppeer",
        doc = "One BGP neighbour, or all that connect from a range of addresses."
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BGPPeerSpec {
    /// The neighbour's address. Either this, peerRange or peerInterface. A link-local address is written
    /// with the interface that leads to it: fe80::1%eth0.
    #[serde(rename = "peerIP", default, skip_serializing_if = "Option::is_none")]
    pub peer_ip: Option<Located<String>>,
    /// Dynamic neighbours: whoever connects from this prefix. They are never dialled. Of several
    /// ranges the most specific one counts, and a peerIP within a range before the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_range: Option<Located<String>>,
    /// The link to the neighbour, which needs no address there: eth1, or a pattern such as eth* for one
    /// neighbour on each link. Whoever sends router advertisements on it is dialled at its link-local
    /// address, and gets such advertisements from us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_interface: Option<Located<String>>,
    /// How many neighbours of peerRange there may be at a time, 1 to 10000. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 10000)))]
    pub maximum_peers: Option<Located<Int>>,
    /// The neighbour's autonomous system: 1 to 4294967295; or internal: the one that this side has
    /// in the session; or external: any other. The same as ours: iBGP.
    pub as_number: Located<AsNumber>,
    /// This side's autonomous system in the session, 1 to 4294967295. Default: that of
    /// BGPConfiguration.
    #[serde(
        rename = "localASNumber",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub local_as_number: Option<Located<Int>>,
    /// TCP port to dial. Default: 179.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
    pub peer_port: Option<Located<Int>>,
    /// Wait for the neighbour to connect, never dial. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<Located<bool>>,
    /// Local address to dial from. Default: as the kernel routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<Located<String>>,
    /// For an eBGP neighbour that is not on the link: the TTL of what is sent to it, at least the
    /// number of hops, 2 to 255. Default: 1, the neighbour is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 2, max = 255)))]
    pub multihop: Option<Located<Int>>,
    /// TTL security (RFC 5082): what comes from further away than so many hops, 1 to 254, is
    /// dropped; the neighbour needs the same. Default: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 254)))]
    pub ttl_security: Option<Located<Int>>,
    /// Where the times come from that are not written here: default (hold 90 s), or dc, for links
    /// in a data centre (hold 9 s, keepalive 3 s, send hold 18 s). Default: default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileSpec>,
    /// Hold time to propose: 0 (never expires, no keepalives) or 3 to 65535. Default: 90, in profile
    /// dc 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 65535)))]
    pub hold_time_seconds: Option<Located<Int>>,
    /// Pause between keepalives, 1 to 21845 and at most a third of the hold time; less where the
    /// neighbour's hold time wants it. Default: a third of the hold time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 21845)))]
    pub keepalive_seconds: Option<Located<Int>>,
    /// Watch the way to the neighbour by BFD (RFC 5880), with the times of this BFDProfile; default
    /// is one that needs no object: 300 ms, 3 packets. Default: not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd_profile: Option<Located<String>>,
    /// Pause between attempts to dial, 1 to 65535. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
    pub connect_retry_seconds: Option<Located<Int>>,
    /// Address families to offer: ipv4, ipv6. Both can go over one session, whatever family its own
    /// addresses have. Default: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1)))]
    pub families: Option<Located<Vec<Located<FamilySpec>>>>,
    /// Several paths for one prefix over the session (RFC 7911). Default: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_path: Option<AddPathSpec>,
    /// Offer messages of up to 65535 bytes (RFC 8654). Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_messages: Option<bool>,
    /// What this side is to an eBGP neighbour (RFC 9234): provider, customer, peer, rs-server or
    /// rs-client. Routes that would leak are marked and dropped. Default: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Located<RoleSpec>>,
    /// Refuse a neighbour that does not say its role. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_strict: Option<Located<bool>>,
    /// Whether the first AS of an eBGP neighbour's paths must be its own; false behind a route
    /// server. Default: true.
    #[serde(
        rename = "enforceFirstAS",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub enforce_first_as: Option<bool>,
    /// How often an own AS may be in a received path that is no loop, 0 to 10. Default: 0.
    #[serde(
        rename = "numAllowedLocalASNumbers",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 10)))]
    pub num_allowed_local_as_numbers: Option<Located<Int>>,
    /// Towards an eBGP neighbour, its own AS in a path is replaced by this side's, so that it takes
    /// routes of another site with the same AS. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_override: Option<Located<bool>>,
    /// Towards an eBGP neighbour, private AS numbers (64512 to 65534, 4200000000 to 4294967294) in a
    /// path are removed, or replaced by this side's. Default: neither.
    #[serde(
        rename = "removePrivateAS",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub remove_private_as: Option<Located<RemovePrivateAsSpec>>,
    /// Which next hop the neighbour is told: Auto, Self or Keep. Default: Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop_mode: Option<NextHopModeSpec>,
    /// An iBGP neighbour to which routes are reflected (RFC 4456): it gets those of other iBGP
    /// neighbours, and they get its. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_reflector_client: Option<Located<bool>>,
    /// How many prefixes are taken, and what happens if there are more. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_prefixes: Option<Located<MaximumPrefixesSpec>>,
    /// Whether a path with the community graceful-shutdown (RFC 8326) gets the lowest preference.
    /// Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub honor_graceful_shutdown: Option<bool>,
    /// Shared secret for TCP MD5 signatures (RFC 2385), 1 to 80 bytes; the neighbour needs the same.
    /// Default: none.
    #[serde(
        default,
        deserialize_with = "super::secret::present",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(with = "Option<Secret>"))]
    pub password: Option<Located<Secret>>,
    /// Signatures of the TCP Authentication Option (RFC 5925) instead of password; needs Linux 6.7.
    /// Default: none.
    #[serde(
        rename = "tcpAO",
        default,
        deserialize_with = "super::secret::present",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(with = "Option<TcpAoSpec>"))]
    pub tcp_ao: Option<Located<TcpAoSpec>>,
    /// Names of BGPFilter objects, tried in this order. Without import rules, nothing is accepted
    /// from an eBGP neighbour (RFC 8212).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Located<String>>,
}

/// ipv4 or ipv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FamilySpec {
    /// IPv4 unicast routes.
    Ipv4,
    /// IPv6 unicast routes.
    Ipv6,
}

/// Where the times come from that are not written: default (hold time 90 s), or dc, for links in a data
/// centre (hold time 9 s, keepalives every 3 s, send hold time 18 s). Default: default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ProfileSpec {
    /// Hold time 90 s.
    #[default]
    Default,
    /// Hold time 9 s, keepalives every 3 s, send hold time twice the hold time.
    Dc,
}

/// What this side is to an eBGP neighbour (RFC 9234 §4.1); routes that would leak are marked and
/// dropped. Default: not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RoleSpec {
    /// Gives the neighbour all routes.
    Provider,
    /// A route server.
    RsServer,
    /// A client of a route server.
    RsClient,
    /// Gives the neighbour its own and its customers' routes.
    Customer,
    /// Each gives the other its own and its customers' routes.
    Peer,
}

/// What becomes of private AS numbers in a path: remove or replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RemovePrivateAsSpec {
    /// They are taken out.
    Remove,
    /// This side's AS stands in their place, so that the path keeps its length.
    Replace,
}

/// Which next hop a neighbour is told: Auto, Self or Keep. Default: Auto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum NextHopModeSpec {
    /// eBGP: this side's address. iBGP: as it was received, and this side's for own networks.
    #[default]
    Auto,
    /// Always this side's address.
    #[serde(rename = "Self")]
    Own,
    /// Always as it was received, also for eBGP neighbours.
    Keep,
}

/// Several paths for one prefix.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddPathSpec {
    /// Whether several paths are taken from the neighbour. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive: Option<bool>,
    /// How many paths of a prefix the neighbour is told at most, 0 to 32; 0: one, as without.
    /// Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 32)))]
    pub send: Option<Located<Int>>,
}

/// The TCP Authentication Option.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpAoSpec {
    /// 1 to 8 keys. The first one signs, and the neighbour is asked to sign with it; all are
    /// accepted. For a new key: add it on both sides, make it the first, remove the old one.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 8)))]
    pub keys: Located<Vec<Located<TcpAoKeySpec>>>,
}

/// One master key tuple (RFC 5925 §3.1).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpAoKeySpec {
    /// The key's number in what is sent, 0 to 255: the neighbour's receiveID.
    #[serde(rename = "sendID")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 255)))]
    pub send_id: Located<Int>,
    /// The key's number in what is received, 0 to 255: the neighbour's sendID.
    #[serde(rename = "receiveID")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 255)))]
    pub receive_id: Located<Int>,
    /// hmac-sha-1-96 or aes-128-cmac-96 (RFC 5926), the same on both sides.
    pub algorithm: AoAlgorithmSpec,
    /// Shared secret, 1 to 80 bytes, the same on both sides.
    pub secret: Located<Secret>,
}

/// How segments are signed (RFC 5926), the same on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum AoAlgorithmSpec {
    /// HMAC with SHA-1, 96 bits.
    #[serde(rename = "hmac-sha-1-96")]
    HmacSha1,
    /// CMAC with AES-128, 96 bits.
    #[serde(rename = "aes-128-cmac-96")]
    Aes128Cmac,
}
