//! The attribute table: for each code its name, the flags it must have, what happens where its
//! value is malformed, and its codec. The generic checks run once around it, in
//! [`crate::validate::update`].

use bytes::BytesMut;

use super::{PathAttributes, values, write};
use crate::iana::{AttributeCode, attribute_flag, update_subcode};
use crate::message::put_attribute;
use crate::validate::SessionOptions;

/// Reaction to a malformed attribute (RFC 7606 §2), in ascending severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorAction {
    /// The attribute is dropped, the route is used.
    Discard,
    /// The announced prefixes are withdrawn.
    TreatAsWithdraw,
    /// NOTIFICATION.
    Reset,
}

/// From which peers an attribute is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Any,
    /// Internal only; from external peers it is dropped whatever its value (RFC 7606 §7.5, §7.9,
    /// §7.10).
    Internal,
    /// Peers without the 4-octet capability only (RFC 6793 §4.1).
    TwoOctetAs,
}

/// Why a value is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// Subcode of an UPDATE error, if it comes to a NOTIFICATION.
    pub subcode: u8,
    /// For people.
    pub reason: &'static str,
}

impl ValueError {
    /// An error of the value's length.
    #[must_use]
    pub(crate) const fn length(reason: &'static str) -> Self {
        Self {
            subcode: update_subcode::ATTRIBUTE_LENGTH,
            reason,
        }
    }
}

/// What a row's codec fills.
#[derive(Debug, Default)]
pub struct Parsed {
    /// All but what follows.
    pub attributes: PathAttributes,
    /// AS4_PATH of a 2-octet peer, not merged yet.
    pub as4_path: Option<super::AsPath>,
    /// AS4_AGGREGATOR of a 2-octet peer, not merged yet.
    pub as4_aggregator: Option<super::Aggregator>,
}

/// Reads a value into its place.
pub type Parse = fn(&[u8], &SessionOptions, &mut Parsed) -> Result<(), ValueError>;

/// Appends the value, and says whether the path has the attribute.
pub type Put = fn(&PathAttributes, &SessionOptions, &mut BytesMut) -> bool;

/// One row of the table.
#[derive(Debug)]
pub struct Spec {
    /// Type code.
    pub code: AttributeCode,
    /// The RFC's name.
    pub name: &'static str,
    /// Optional and Transitive bits that it must have.
    pub flags: u8,
    /// Who may send it.
    pub scope: Scope,
    /// Reaction to a malformed value. Wrong flags are always treat-as-withdraw (RFC 7606 §3 c).
    pub on_error: ErrorAction,
    /// Both directions of the codec; `None` for the two multiprotocol attributes, which carry
    /// prefixes.
    pub codec: Option<(Parse, Put)>,
}

const WELL_KNOWN: u8 = attribute_flag::TRANSITIVE;
const OPTIONAL: u8 = attribute_flag::OPTIONAL;
const OPTIONAL_TRANSITIVE: u8 = attribute_flag::OPTIONAL | attribute_flag::TRANSITIVE;

const fn row(
    code: AttributeCode,
    name: &'static str,
    flags: u8,
    scope: Scope,
    on_error: ErrorAction,
    codec: Option<(Parse, Put)>,
) -> Spec {
    Spec {
        code,
        name,
        flags,
        scope,
        on_error,
        codec,
    }
}

use AttributeCode as Code;
use ErrorAction::{Discard, Reset, TreatAsWithdraw};

/// All attributes that are understood, ascending by code.
#[rustfmt::skip]
pub static TABLE: &[Spec] = &[
    row(Code::ORIGIN, "ORIGIN", WELL_KNOWN, Scope::Any, TreatAsWithdraw, Some((values::origin, write::origin))),
    row(Code::AS_PATH, "AS_PATH", WELL_KNOWN, Scope::Any, TreatAsWithdraw, Some((values::as_path, write::as_path))),
    row(Code::NEXT_HOP, "NEXT_HOP", WELL_KNOWN, Scope::Any, TreatAsWithdraw, Some((values::next_hop, write::next_hop))),
    row(Code::MULTI_EXIT_DISC, "MULTI_EXIT_DISC", OPTIONAL, Scope::Any, TreatAsWithdraw, Some((values::med, write::med))),
    row(Code::LOCAL_PREF, "LOCAL_PREF", WELL_KNOWN, Scope::Internal, TreatAsWithdraw, Some((values::local_pref, write::local_pref))),
    row(Code::ATOMIC_AGGREGATE, "ATOMIC_AGGREGATE", WELL_KNOWN, Scope::Any, Discard, Some((values::atomic_aggregate, write::atomic_aggregate))),
    row(Code::AGGREGATOR, "AGGREGATOR", OPTIONAL_TRANSITIVE, Scope::Any, Discard, Some((values::aggregator, write::aggregator))),
    row(Code::COMMUNITIES, "COMMUNITIES", OPTIONAL_TRANSITIVE, Scope::Any, TreatAsWithdraw, Some((values::communities, write::communities))),
    row(Code::ORIGINATOR_ID, "ORIGINATOR_ID", OPTIONAL, Scope::Internal, TreatAsWithdraw, Some((values::originator_id, write::originator_id))),
    row(Code::CLUSTER_LIST, "CLUSTER_LIST", OPTIONAL, Scope::Internal, TreatAsWithdraw, Some((values::cluster_list, write::cluster_list))),
    row(Code::MP_REACH_NLRI, "MP_REACH_NLRI", OPTIONAL, Scope::Any, Reset, None),
    row(Code::MP_UNREACH_NLRI, "MP_UNREACH_NLRI", OPTIONAL, Scope::Any, Reset, None),
    row(Code::EXTENDED_COMMUNITIES, "EXTENDED_COMMUNITIES", OPTIONAL_TRANSITIVE, Scope::Any, TreatAsWithdraw, Some((values::extended_communities, write::extended_communities))),
    row(Code::AS4_PATH, "AS4_PATH", OPTIONAL_TRANSITIVE, Scope::TwoOctetAs, Discard, Some((values::as4_path, write::as4_path))),
    row(Code::AS4_AGGREGATOR, "AS4_AGGREGATOR", OPTIONAL_TRANSITIVE, Scope::TwoOctetAs, Discard, Some((values::as4_aggregator, write::as4_aggregator))),
    row(Code::IPV6_EXTENDED_COMMUNITIES, "IPV6_EXTENDED_COMMUNITIES", OPTIONAL_TRANSITIVE, Scope::Any, TreatAsWithdraw, Some((values::ipv6_extended_communities, write::ipv6_extended_communities))),
    row(Code::LARGE_COMMUNITIES, "LARGE_COMMUNITIES", OPTIONAL_TRANSITIVE, Scope::Any, TreatAsWithdraw, Some((values::large_communities, write::large_communities))),
    row(Code::ONLY_TO_CUSTOMER, "ONLY_TO_CUSTOMER", OPTIONAL_TRANSITIVE, Scope::Any, TreatAsWithdraw, Some((values::only_to_customer, write::only_to_customer))),
];

/// The row of a code.
#[must_use]
pub fn find(code: AttributeCode) -> Option<&'static Spec> {
    let at = TABLE.binary_search_by_key(&code, |spec| spec.code).ok()?;
    TABLE.get(at)
}

/// Appends all attributes in ascending order of code, those included that are passed on without
/// being understood, but for the multiprotocol ones.
pub fn put_all(attributes: &PathAttributes, opts: &SessionOptions, out: &mut BytesMut) {
    let mut value = BytesMut::with_capacity(256);
    let mut unknown = attributes.unknown().iter().peekable();
    let partial = attributes
        .rare
        .as_ref()
        .map_or(&[][..], |rare| &rare.partial);
    for spec in TABLE {
        while let Some(other) = unknown.next_if(|other| other.code < spec.code) {
            put_attribute(other.flags, other.code, &other.value, out);
        }
        let Some((_, put)) = spec.codec else { continue };
        value.clear();
        if put(attributes, opts, &mut value) {
            let set = partial.contains(&spec.code);
            let flags = spec.flags | if set { attribute_flag::PARTIAL } else { 0 };
            put_attribute(flags, spec.code, &value, out);
        }
    }
    unknown.for_each(|other| put_attribute(other.flags, other.code, &other.value, out));
}
