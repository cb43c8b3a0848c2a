//! Paths with other numbers in them: what is done on the way to external peers.

use super::{AsPath, SegmentKind};

/// Is it of no meaning beyond the networks that agreed on it (RFC 6996)?
#[must_use]
pub fn is_private(asn: u32) -> bool {
    matches!(asn, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
}

impl AsPath {
    /// How many numbers of the path are such.
    pub fn count(&self, which: impl Fn(u32) -> bool) -> usize {
        self.asns().filter(|asn| which(*asn)).count()
    }

    /// The path with another number in the place of each that is such. It keeps its length.
    #[must_use]
    pub fn replace(&self, which: impl Fn(u32) -> bool, with: u32) -> Self {
        self.rewrite(|asn| Some(if which(asn) { with } else { asn }))
    }

    /// The path without those that are such. A segment of which nothing is left goes.
    #[must_use]
    pub fn without(&self, which: impl Fn(u32) -> bool) -> Self {
        self.rewrite(|asn| (!which(asn)).then_some(asn))
    }

    fn rewrite(&self, becomes: impl Fn(u32) -> Option<u32>) -> Self {
        let segments = self.segments().map(|(kind, asns)| {
            let new: Vec<u32> = asns.iter().filter_map(|asn| becomes(*asn)).collect();
            (kind, new)
        });
        let segments: Vec<(SegmentKind, Vec<u32>)> = segments.collect();
        let segments = segments.iter();
        Self::from_segments(segments.map(|(kind, asns)| (*kind, asns.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(segments: &[(SegmentKind, &[u32])]) -> AsPath {
        AsPath::from_segments(segments.iter().copied())
    }

    #[test]
    fn private_numbers_are_those_of_rfc_6996() {
        let private = [64_512, 65_534, 4_200_000_000, 4_294_967_294];
        assert!(private.into_iter().all(is_private));
        // 64496 to 64511 and 65536 to 65551 are for documentation, 65535 and 4294967295 reserved.
        let others = [
            0,
            1,
            23_456,
            64_511,
            65_535,
            65_536,
            4_199_999_999,
            u32::MAX,
        ];
        assert!(!others.into_iter().any(is_private));
    }

    #[test]
    fn numbers_are_replaced_and_taken_out_in_every_segment() {
        use SegmentKind::{Sequence, Set};
        let mixed = path(&[
            (Sequence, &[3356, 64_512, 3356]),
            (Set, &[65_000, 1299]),
            (Sequence, &[4_200_000_001]),
        ]);
        assert_eq!(mixed.count(is_private), 3);
        assert_eq!(mixed.without(is_private).to_string(), "3356 3356 {1299}");
        assert_eq!(
            mixed.replace(is_private, 701).to_string(),
            "3356 701 3356 {701,1299} 701"
        );
        assert_eq!(mixed.replace(|_| false, 701), mixed);
        assert!(
            path(&[(Sequence, &[65_001])])
                .without(is_private)
                .is_empty()
        );
        let long = vec![64_512; 600];
        let long = AsPath::from_sequence(&long);
        assert_eq!(long.replace(is_private, 1).path_len(), 600);
    }
}
