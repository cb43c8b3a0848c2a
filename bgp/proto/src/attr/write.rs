//! The values of the attributes on the way out: one function per row of the table.

use bytes::{BufMut, BytesMut};

use super::{NextHop, Origin, PathAttributes, RareAttributes};
use crate::iana::AS_TRANS;
use crate::validate::SessionOptions;

/// Appends `value` and says whether there was one.
fn put_u32(value: Option<u32>, out: &mut BytesMut) -> bool {
    value.map(|value| out.put_u32(value)).is_some()
}

/// Appends what a list of the boxed tail has and says whether it has any.
fn put_list<T>(
    attributes: &PathAttributes,
    list: impl Fn(&RareAttributes) -> &[T],
    put: impl Fn(&T, &mut BytesMut),
    out: &mut BytesMut,
) -> bool {
    let items = attributes.rare.as_ref().map_or(&[][..], |rare| list(rare));
    items.iter().for_each(|item| put(item, out));
    !items.is_empty()
}

pub(super) fn origin(attributes: &PathAttributes, _: &SessionOptions, out: &mut BytesMut) -> bool {
    out.put_u8(match attributes.origin {
        Origin::Igp => 0,
        Origin::Egp => 1,
        Origin::Incomplete => 2,
    });
    true
}

pub(super) fn as_path(
    attributes: &PathAttributes,
    opts: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    attributes.as_path.put(opts.four_octet_as, out);
    true
}

/// Next hops of 16 octets are in MP_REACH_NLRI (RFC 4760 §3).
pub(super) fn next_hop(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    match attributes.next_hop {
        Some(NextHop::V4(address)) => put_u32(Some(address.to_bits()), out),
        _ => false,
    }
}

pub(super) fn med(attributes: &PathAttributes, _: &SessionOptions, out: &mut BytesMut) -> bool {
    put_u32(attributes.med, out)
}

pub(super) fn local_pref(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    put_u32(attributes.local_pref.get(), out)
}

pub(super) fn atomic_aggregate(
    attributes: &PathAttributes,
    _: &SessionOptions,
    _: &mut BytesMut,
) -> bool {
    attributes.atomic_aggregate
}

pub(super) fn aggregator(
    attributes: &PathAttributes,
    opts: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    let Some(aggregator) = attributes.aggregator() else {
        return false;
    };
    if opts.four_octet_as {
        out.put_u32(aggregator.asn);
    } else {
        out.put_u16(u16::try_from(aggregator.asn).unwrap_or(AS_TRANS));
    }
    out.put_u32(aggregator.bgp_id.to_bits());
    true
}

/// Only where AS_TRANS hides the number (RFC 6793 §4.2.2).
pub(super) fn as4_aggregator(
    attributes: &PathAttributes,
    opts: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    match attributes.aggregator() {
        Some(aggregator) if !opts.four_octet_as && aggregator.asn > u32::from(u16::MAX) => {
            out.put_u32(aggregator.asn);
            out.put_u32(aggregator.bgp_id.to_bits());
            true
        }
        _ => false,
    }
}

/// Only where AS_TRANS hides a number, and without confederation segments (RFC 6793 §4.2.2).
pub(super) fn as4_path(
    attributes: &PathAttributes,
    opts: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    if opts.four_octet_as {
        return false;
    }
    let path = attributes.as_path.without_confederations();
    if !path.needs_four_octets() {
        return false;
    }
    path.put(true, out);
    true
}

pub(super) fn communities(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    attributes
        .communities
        .iter()
        .for_each(|community| out.put_u32(*community));
    !attributes.communities.is_empty()
}

pub(super) fn originator_id(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    put_u32(attributes.originator_id().map(|id| id.to_bits()), out)
}

pub(super) fn cluster_list(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    put_list(
        attributes,
        |rare| &rare.cluster_list,
        |id, out| out.put_u32(id.to_bits()),
        out,
    )
}

pub(super) fn extended_communities(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    put_list(
        attributes,
        |rare| &rare.extended_communities,
        |item, out| out.put_slice(item),
        out,
    )
}

pub(super) fn ipv6_extended_communities(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    put_list(
        attributes,
        |rare| &rare.ipv6_extended_communities,
        |item, out| out.put_slice(item),
        out,
    )
}

pub(super) fn large_communities(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    let put = |item: &[u32; 3], out: &mut BytesMut| item.iter().for_each(|word| out.put_u32(*word));
    put_list(attributes, |rare| &rare.large_communities, put, out)
}

pub(super) fn only_to_customer(
    attributes: &PathAttributes,
    _: &SessionOptions,
    out: &mut BytesMut,
) -> bool {
    put_u32(attributes.only_to_customer(), out)
}
