//! The values of the attributes: one function per row of the table.

use std::net::Ipv4Addr;

use super::table::{Parsed, ValueError};
use super::{Aggregator, AsPath, NextHop, Origin, SegmentKind};
use crate::iana::update_subcode;
use crate::validate::SessionOptions;

type Outcome = Result<(), ValueError>;

fn u32_value(value: &[u8]) -> Result<u32, ValueError> {
    let octets = value
        .try_into()
        .map_err(|_| ValueError::length("the length is not 4"))?;
    Ok(u32::from_be_bytes(octets))
}

/// A list of items of `N` octets that may not be empty (RFC 7606 §7.8, §7.10, §7.14).
fn items<const N: usize>(value: &[u8]) -> Result<&[[u8; N]], ValueError> {
    match value.as_chunks::<N>() {
        (items, []) if !items.is_empty() => Ok(items),
        _ => Err(ValueError::length(
            "the length is not a multiple of the item's, or zero",
        )),
    }
}

/// RFC 7606 §7.1.
pub(super) fn origin(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.origin = match value {
        [0] => Origin::Igp,
        [1] => Origin::Egp,
        [2] => Origin::Incomplete,
        [_] => {
            let subcode = update_subcode::INVALID_ORIGIN;
            return Err(ValueError {
                subcode,
                reason: "the value is not 0, 1 or 2",
            });
        }
        _ => return Err(ValueError::length("the length is not 1")),
    };
    Ok(())
}

/// RFC 7606 §7.2, with AS 0 (RFC 7607), sets (RFC 9774) and confederation segments (RFC 5065 §5;
/// this speaker is in no confederation).
pub(super) fn as_path(value: &[u8], opts: &SessionOptions, into: &mut Parsed) -> Outcome {
    let malformed = |reason| ValueError {
        subcode: update_subcode::MALFORMED_AS_PATH,
        reason,
    };
    let path = AsPath::parse(value, opts.four_octet_as).map_err(|error| {
        malformed(match error {
            super::as_path::AsPathError::SegmentType(_) => "a segment has an unknown type",
            super::as_path::AsPathError::EmptySegment => "a segment is empty",
            super::as_path::AsPathError::Overrun => "a segment overruns the attribute",
        })
    })?;
    for (kind, asns) in path.segments() {
        match kind {
            SegmentKind::Sequence => {}
            SegmentKind::Set => return Err(malformed("an AS_SET is not accepted (RFC 9774)")),
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {
                return Err(malformed("a confederation segment from outside"));
            }
        }
        if asns.contains(&0) {
            return Err(malformed("AS 0 in the path (RFC 7607)"));
        }
    }
    into.attributes.as_path = path;
    Ok(())
}

/// RFC 7606 §7.3. Whether the address is usable is asked later.
pub(super) fn next_hop(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.next_hop = Some(NextHop::V4(Ipv4Addr::from(u32_value(value)?)));
    Ok(())
}

/// RFC 7606 §7.4.
pub(super) fn med(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.med = Some(u32_value(value)?);
    Ok(())
}

/// RFC 7606 §7.5.
pub(super) fn local_pref(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.local_pref = u32_value(value)?.into();
    Ok(())
}

/// RFC 7606 §7.6.
pub(super) fn atomic_aggregate(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    if !value.is_empty() {
        return Err(ValueError::length("the length is not 0"));
    }
    into.attributes.atomic_aggregate = true;
    Ok(())
}

fn aggregator_value(asn: &[u8], bgp_id: &[u8; 4]) -> Result<Aggregator, ValueError> {
    let asn = asn
        .iter()
        .fold(0, |value, octet| value << 8 | u32::from(*octet));
    if asn == 0 {
        let subcode = update_subcode::OPTIONAL_ATTRIBUTE;
        return Err(ValueError {
            subcode,
            reason: "AS 0 (RFC 7607)",
        });
    }
    Ok(Aggregator {
        asn,
        bgp_id: Ipv4Addr::from(*bgp_id),
    })
}

/// RFC 7606 §7.7.
pub(super) fn aggregator(value: &[u8], opts: &SessionOptions, into: &mut Parsed) -> Outcome {
    let size = if opts.four_octet_as { 4 } else { 2 };
    let aggregator = match value.split_last_chunk::<4>() {
        Some((asn, bgp_id)) if asn.len() == size => aggregator_value(asn, bgp_id)?,
        _ => {
            return Err(ValueError::length(
                "the length is not that of an AS and an address",
            ));
        }
    };
    into.attributes.rare_mut().aggregator = Some(aggregator);
    Ok(())
}

/// RFC 6793 §6.
pub(super) fn as4_aggregator(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    let aggregator = match value.split_last_chunk::<4>() {
        Some((asn, bgp_id)) if asn.len() == 4 => aggregator_value(asn, bgp_id)?,
        _ => return Err(ValueError::length("the length is not 8")),
    };
    into.as4_aggregator = Some(aggregator);
    Ok(())
}

/// RFC 6793 §6, RFC 7607. Sets are for the judge: they are worse than malformed (RFC 9774).
pub(super) fn as4_path(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    let malformed = |reason| ValueError {
        subcode: update_subcode::OPTIONAL_ATTRIBUTE,
        reason,
    };
    let path = AsPath::parse(value, true).map_err(|_| malformed("malformed segments"))?;
    if path.is_empty() {
        return Err(malformed("no segment"));
    }
    if path.contains(0) {
        return Err(malformed("AS 0 in the path (RFC 7607)"));
    }
    into.as4_path = Some(path);
    Ok(())
}

/// RFC 7606 §7.8.
pub(super) fn communities(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.communities = items(value)?
        .iter()
        .map(|item| u32::from_be_bytes(*item))
        .collect();
    Ok(())
}

/// RFC 7606 §7.9.
pub(super) fn originator_id(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.rare_mut().originator_id = Some(Ipv4Addr::from(u32_value(value)?));
    Ok(())
}

/// RFC 7606 §7.10.
pub(super) fn cluster_list(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    let list = items::<4>(value)?
        .iter()
        .map(|item| Ipv4Addr::from(*item))
        .collect();
    into.attributes.rare_mut().cluster_list = list;
    Ok(())
}

/// RFC 7606 §7.14.
pub(super) fn extended_communities(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.rare_mut().extended_communities = items(value)?.to_vec();
    Ok(())
}

/// RFC 7606 §7.15.
pub(super) fn ipv6_extended_communities(
    value: &[u8],
    _: &SessionOptions,
    into: &mut Parsed,
) -> Outcome {
    into.attributes.rare_mut().ipv6_extended_communities = items(value)?.to_vec();
    Ok(())
}

/// RFC 9234 §5.
pub(super) fn only_to_customer(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    into.attributes.rare_mut().only_to_customer = Some(u32_value(value)?);
    Ok(())
}

/// RFC 8092 §6.
pub(super) fn large_communities(value: &[u8], _: &SessionOptions, into: &mut Parsed) -> Outcome {
    let words = |item: &[u8; 12]| {
        let word = |at: usize| {
            item.iter()
                .skip(at * 4)
                .take(4)
                .fold(0, |value, octet| value << 8 | u32::from(*octet))
        };
        [word(0), word(1), word(2)]
    };
    into.attributes.rare_mut().large_communities = items(value)?.iter().map(words).collect();
    Ok(())
}
