//! Peers with 2-octet AS numbers (RFC 6793 §4.2).

use rcni_bgp_proto::attr::{Aggregator, SegmentKind};
use rcni_bgp_proto::{AsPath, PathAttributes};

use crate::support::{
    NEXT_HOP, ORIGIN, P, assert_used, assert_withdrawn, body, external, judge_body,
    two_octet_session,
};

fn received(path: &str, more: &str) -> PathAttributes {
    let attributes = [ORIGIN, path, NEXT_HOP, more].concat();
    let result = judge_body(&body("", &attributes, P), &two_octet_session(), &external());
    assert_used(result).0
}

/// 65001 23456 64999: an old speaker put itself in front of a path with a large number.
const PATH: &str = "4002080203 fde9 5ba0 fde7";
/// 4200000000 64999.
const AS4_PATH: &str = "c0110a0202 fa56ea00 0000fde7";

#[test]
fn the_path_is_put_together() {
    assert_eq!(received(PATH, "").as_path.to_string(), "65001 23456 64999");
    assert_eq!(
        received(PATH, AS4_PATH).as_path,
        AsPath::from_sequence(&[65001, 4_200_000_000, 64999])
    );
}

#[test]
fn an_as4_path_of_the_same_length_replaces_the_path() {
    let path = "4002060202 fde9 5ba0";
    let as4 = "c0110a0202 0000fde9 fa56ea00";
    assert_eq!(received(path, as4).as_path.to_string(), "65001 4200000000");
}

#[test]
fn a_longer_as4_path_is_ignored() {
    let path = "4002040201 fde9";
    assert_eq!(received(path, AS4_PATH).as_path.to_string(), "65001");
}

#[test]
fn as4_attributes_are_ignored_where_an_old_speaker_aggregated() {
    let aggregator = "c00706 fde7 0a000002";
    let as4_aggregator = "c01208 fa56ea00 0a000003";
    let attributes = received(PATH, &[AS4_PATH, aggregator, as4_aggregator].concat());
    assert_eq!(attributes.as_path.to_string(), "65001 23456 64999");
    assert_eq!(
        attributes.aggregator().map(|aggregator| aggregator.asn),
        Some(64999)
    );
    // That is known only where both are there.
    let attributes = received(PATH, &[AS4_PATH, aggregator].concat());
    assert_eq!(attributes.as_path.to_string(), "65001 4200000000 64999");
}

#[test]
fn the_aggregator_is_put_together() {
    let trans = "c00706 5ba0 0a000002";
    let as4 = "c01208 fa56ea00 0a000002";
    let attributes = received(PATH, &[trans, AS4_PATH, as4].concat());
    let bgp_id = [10, 0, 0, 2].into();
    assert_eq!(
        attributes.aggregator(),
        Some(Aggregator {
            asn: 4_200_000_000,
            bgp_id
        })
    );
    assert_eq!(attributes.as_path.to_string(), "65001 4200000000 64999");
    // Without AGGREGATOR it says nothing.
    assert_eq!(received(PATH, as4).aggregator(), None);
    // With a number of its own the old speaker was the last to aggregate.
    let own = received(PATH, &["c00706 fde7 0a000002", as4].concat());
    assert_eq!(own.aggregator(), Some(Aggregator { asn: 64999, bgp_id }));
}

/// Found by the fuzzer: the mark of an attribute that ends here made equal paths unequal.
#[test]
fn partial_as4_attributes_leave_no_mark() {
    let aggregator = "c00706 5b00 0aa00002";
    let as4 = "c0110a 0202 faeafd00 56c00000  e71208 fa56ea00 0a000002";
    let attributes = received(PATH, &[aggregator, as4].concat());
    assert_eq!(attributes, received(PATH, aggregator));
}

#[test]
fn malformed_as4_attributes_are_discarded() {
    let malformed = [
        "c01100",
        "c01106 0501 fa56ea00",
        "c0110a 0202 fa56ea00 00000000",
        "c01206 5ba00a000002",
        "c01208 00000000 0a000002",
    ];
    for as4 in malformed {
        let attributes = received(PATH, as4);
        assert_eq!(attributes.as_path.to_string(), "65001 23456 64999", "{as4}");
        assert_eq!(attributes.aggregator(), None, "{as4}");
    }
}

/// RFC 9774 §3.
#[test]
fn a_set_in_as4_path_withdraws() {
    for as4 in ["c01106 0101 fa56ea00", "c01106 0401 fa56ea00"] {
        let attributes = [ORIGIN, PATH, NEXT_HOP, as4].concat();
        let bytes = body("", &attributes, P);
        assert_withdrawn(
            judge_body(&bytes, &two_octet_session(), &external()),
            "an AS_SET",
        );
    }
}

#[test]
fn confederation_segments_of_as4_path_are_left_out() {
    let as4 = "c01110 0301 0000fde6 0202 fa56ea00 0000fde7";
    assert_eq!(
        received(PATH, as4).as_path.to_string(),
        "65001 4200000000 64999"
    );
}

#[test]
fn merging_keeps_sets_whole() {
    let sequence = SegmentKind::Sequence;
    let path = AsPath::from_segments([
        (sequence, &[1, 2][..]),
        (SegmentKind::Set, &[3, 4][..]),
        (sequence, &[5][..]),
    ]);
    let as4 = AsPath::from_sequence(&[70000]);
    assert_eq!(path.merge_as4(&as4).to_string(), "1 2 {3,4} 70000");
    let as4 = AsPath::from_sequence(&[70000, 70001]);
    assert_eq!(path.merge_as4(&as4).to_string(), "1 2 70000 70001");
}

#[test]
fn paths() {
    let path = AsPath::from_sequence(&[65001, 65002]);
    assert_eq!(
        (path.first(), path.origin_asn(), path.path_len()),
        (Some(65001), Some(65002), 2)
    );
    assert!(path.contains(65002) && !path.contains(65003));
    let longer = path.prepend(65000, 2);
    assert_eq!(longer.to_string(), "65000 65000 65001 65002");
    assert_eq!(longer.segments().count(), 1);
    assert_eq!(path.prepend(65000, 0), path);
    assert_eq!(
        AsPath::empty().prepend(65000, 1),
        AsPath::from_sequence(&[65000])
    );
    assert_eq!(AsPath::empty().prepend(65000, 0), AsPath::empty());
    assert!(AsPath::empty().is_empty() && AsPath::empty().first().is_none());
}

#[test]
fn prepending_to_a_full_segment_starts_a_new_one() {
    let full = AsPath::from_sequence(&[7; 255]);
    let longer = full.prepend(8, 1);
    assert_eq!((longer.segments().count(), longer.path_len()), (2, 256));
    assert_eq!(longer.first(), Some(8));
    let set = AsPath::from_segments([(SegmentKind::Set, &[1, 2][..])]);
    assert_eq!(set.prepend(8, 1).to_string(), "8 {1,2}");
    assert_eq!(
        (set.path_len(), set.first(), set.origin_asn()),
        (1, None, None)
    );
}

/// A million paths: what all of them have is in 96 octets, the rest behind a pointer.
#[test]
fn path_attributes_stay_small() {
    assert!(
        size_of::<PathAttributes>() <= 96,
        "{}",
        size_of::<PathAttributes>()
    );
    assert_eq!(size_of::<AsPath>(), 16);
}
