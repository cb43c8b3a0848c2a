//! AS_PATH (RFC 4271 §4.3, §5.1.2) in one allocation.

mod rewrite;

use std::fmt;

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::be_u8;

use crate::iana::{AS_TRANS, segment_type};

pub use rewrite::is_private;

/// The most AS numbers that a segment can count.
const SEGMENT_MAX: usize = 255;

/// Kind of a path segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentKind {
    /// Unordered set; refused by validation (RFC 9774).
    Set,
    /// Ordered sequence.
    Sequence,
    /// Confederation sequence; refused by validation.
    ConfedSequence,
    /// Confederation set; refused by validation.
    ConfedSet,
}

impl SegmentKind {
    fn from_wire(kind: u8) -> Option<Self> {
        Some(match kind {
            segment_type::AS_SET => Self::Set,
            segment_type::AS_SEQUENCE => Self::Sequence,
            segment_type::AS_CONFED_SEQUENCE => Self::ConfedSequence,
            segment_type::AS_CONFED_SET => Self::ConfedSet,
            _ => return None,
        })
    }

    fn to_wire(self) -> u8 {
        match self {
            Self::Set => segment_type::AS_SET,
            Self::Sequence => segment_type::AS_SEQUENCE,
            Self::ConfedSequence => segment_type::AS_CONFED_SEQUENCE,
            Self::ConfedSet => segment_type::AS_CONFED_SET,
        }
    }

    fn is_confed(self) -> bool {
        matches!(self, Self::ConfedSequence | Self::ConfedSet)
    }
}

/// Why octets are no AS_PATH (RFC 7606 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsPathError {
    /// A segment type that no RFC assigned.
    #[error("unknown segment type {0}")]
    SegmentType(u8),
    /// A segment without AS numbers.
    #[error("empty segment")]
    EmptySegment,
    /// A segment counts more than there is, or octets are left over.
    #[error("a segment overruns the attribute")]
    Overrun,
}

/// An AS_PATH: the segments of the wire, always in 4-octet numbers.
///
/// Stored as words: each segment is a header word (kind in the upper half, count of 1 to 255 in
/// the lower) and its AS numbers. Equal paths have equal words.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct AsPath {
    words: Box<[u32]>,
}

impl AsPath {
    /// The empty path: originated in the own AS.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A path of one AS_SEQUENCE, nearest AS first; more than 255 are split into segments.
    #[must_use]
    pub fn from_sequence(asns: &[u32]) -> Self {
        let mut words = Vec::with_capacity(asns.len() + 1);
        for chunk in asns.chunks(SEGMENT_MAX) {
            push_segment(&mut words, SegmentKind::Sequence, chunk);
        }
        Self {
            words: words.into(),
        }
    }

    /// A path of any segments; empty ones are left out, long ones split.
    #[must_use]
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = (SegmentKind, &'a [u32])>) -> Self {
        let mut words = Vec::new();
        for (kind, asns) in segments {
            for chunk in asns.chunks(SEGMENT_MAX) {
                push_segment(&mut words, kind, chunk);
            }
        }
        Self {
            words: words.into(),
        }
    }

    /// The segments in the order of the wire.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments { words: &self.words }
    }

    /// All AS numbers of all segments, nearest first.
    pub fn asns(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments().flat_map(|(_, asns)| asns.iter().copied())
    }

    /// No segment at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Length for the decision process: a set counts one, confederation segments nothing
    /// (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3).
    #[must_use]
    pub fn path_len(&self) -> usize {
        let count = |(kind, asns): (SegmentKind, &[u32])| match kind {
            SegmentKind::Sequence => asns.len(),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        };
        self.segments().map(count).sum()
    }

    /// Whether an AS is anywhere in the path: the loop check of RFC 4271 §9.
    #[must_use]
    pub fn contains(&self, asn: u32) -> bool {
        self.asns().any(|other| other == asn)
    }

    /// The neighbouring AS: the first number, if the path starts with a sequence.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        match self.segments().next() {
            Some((SegmentKind::Sequence, asns)) => asns.first().copied(),
            _ => None,
        }
    }

    /// The AS that originated the route: the last number, if the path ends with a sequence.
    #[must_use]
    pub fn origin_asn(&self) -> Option<u32> {
        match self.segments().last() {
            Some((SegmentKind::Sequence, asns)) => asns.last().copied(),
            _ => None,
        }
    }

    /// The path with an AS put in front `times` times (RFC 4271 §5.1.2).
    #[must_use]
    pub fn prepend(&self, asn: u32, times: usize) -> Self {
        let mut first = vec![asn; times];
        let mut segments = self.segments();
        let mut rest = self.segments();
        if let Some((SegmentKind::Sequence, asns)) = segments.next()
            && asns.len() + times <= SEGMENT_MAX
        {
            first.extend_from_slice(asns);
            rest = segments;
        }
        let head = std::iter::once((SegmentKind::Sequence, first.as_slice()));
        Self::from_segments(head.chain(rest))
    }

    /// Whether a number needs four octets.
    #[must_use]
    pub fn needs_four_octets(&self) -> bool {
        self.asns().any(|asn| asn > u32::from(u16::MAX))
    }

    /// Parses the value of AS_PATH or AS4_PATH.
    ///
    /// # Errors
    /// RFC 7606 §7.2: unknown segment type, empty segment, overrun.
    pub fn parse(input: &[u8], four_octet_as: bool) -> Result<Self, AsPathError> {
        let size = if four_octet_as { 4 } else { 2 };
        let mut words = Vec::with_capacity(input.len() / size);
        let mut rest = input;
        while !rest.is_empty() {
            let (after, (kind, count)) = header(rest).map_err(|_| AsPathError::Overrun)?;
            let kind = SegmentKind::from_wire(kind).ok_or(AsPathError::SegmentType(kind))?;
            if count == 0 {
                return Err(AsPathError::EmptySegment);
            }
            let (after, octets) =
                octets(after, usize::from(count) * size).map_err(|_| AsPathError::Overrun)?;
            words.push(header_word(kind, count));
            words.extend(octets.chunks_exact(size).map(|number| {
                number
                    .iter()
                    .fold(0, |value, octet| value << 8 | u32::from(*octet))
            }));
            rest = after;
        }
        Ok(Self {
            words: words.into(),
        })
    }

    /// Appends the value of AS_PATH; in 2-octet form large numbers become [`AS_TRANS`].
    pub fn put(&self, four_octet_as: bool, out: &mut BytesMut) {
        for (kind, asns) in self.segments() {
            put_segment_header(kind, asns.len(), out);
            for asn in asns {
                if four_octet_as {
                    out.put_u32(*asn);
                } else {
                    out.put_u16(u16::try_from(*asn).unwrap_or(AS_TRANS));
                }
            }
        }
    }

    /// Octets that [`AsPath::put`] appends.
    #[must_use]
    pub fn wire_len(&self, four_octet_as: bool) -> usize {
        let size = if four_octet_as { 4 } else { 2 };
        self.segments().map(|(_, asns)| 2 + asns.len() * size).sum()
    }

    /// The path without confederation segments: what AS4_PATH may hold (RFC 6793 §3).
    #[must_use]
    pub fn without_confederations(&self) -> Self {
        Self::from_segments(self.segments().filter(|(kind, _)| !kind.is_confed()))
    }

    /// The path that a 2-octet peer meant (RFC 6793 §4.2.3): the leading part of AS_PATH (self)
    /// that old speakers added, followed by AS4_PATH. A longer AS4_PATH is ignored.
    #[must_use]
    pub fn merge_as4(&self, as4: &Self) -> Self {
        let as4 = as4.without_confederations();
        let Some(mut leading) = self.path_len().checked_sub(as4.path_len()) else {
            return self.clone();
        };
        let mut segments = Vec::new();
        for (kind, asns) in self.segments() {
            let taken = match kind {
                SegmentKind::Sequence => leading.min(asns.len()),
                SegmentKind::Set => leading.min(1),
                SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
            };
            leading -= taken;
            let kept = match kind {
                SegmentKind::Sequence => asns.get(..taken).unwrap_or_default(),
                SegmentKind::Set if taken == 0 => &[],
                // Confederation segments lead the path and are not counted: they stay.
                _ => asns,
            };
            segments.push((kind, kept));
        }
        join(segments.into_iter().chain(as4.segments()))
    }
}

/// Concatenates segments and joins neighbouring sequences where they fit into one.
fn join<'a>(segments: impl Iterator<Item = (SegmentKind, &'a [u32])>) -> AsPath {
    let mut joined: Vec<(SegmentKind, Vec<u32>)> = Vec::new();
    for (kind, asns) in segments.filter(|(_, asns)| !asns.is_empty()) {
        match joined.last_mut() {
            Some((SegmentKind::Sequence, last))
                if kind == SegmentKind::Sequence && last.len() + asns.len() <= SEGMENT_MAX =>
            {
                last.extend_from_slice(asns);
            }
            _ => joined.push((kind, asns.to_vec())),
        }
    }
    AsPath::from_segments(joined.iter().map(|(kind, asns)| (*kind, asns.as_slice())))
}

fn header(input: &[u8]) -> nom::IResult<&[u8], (u8, u8)> {
    (be_u8, be_u8).parse(input)
}

fn octets(input: &[u8], count: usize) -> nom::IResult<&[u8], &[u8]> {
    take(count)(input)
}

fn header_word(kind: SegmentKind, count: u8) -> u32 {
    u32::from(kind.to_wire()) << 16 | u32::from(count)
}

fn push_segment(words: &mut Vec<u32>, kind: SegmentKind, asns: &[u32]) {
    words.push(header_word(
        kind,
        u8::try_from(asns.len()).unwrap_or(u8::MAX),
    ));
    words.extend_from_slice(asns);
}

fn put_segment_header(kind: SegmentKind, count: usize, out: &mut BytesMut) {
    out.put_slice(&[kind.to_wire(), u8::try_from(count).unwrap_or(u8::MAX)]);
}

/// Iterator over the segments of an [`AsPath`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    words: &'a [u32],
}

impl<'a> Iterator for Segments<'a> {
    type Item = (SegmentKind, &'a [u32]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.words.split_first()?;
        let [_, kind, _, count] = header.to_be_bytes();
        let (asns, rest) = rest.split_at_checked(usize::from(count))?;
        self.words = rest;
        Some((SegmentKind::from_wire(kind)?, asns))
    }
}

impl fmt::Display for AsPath {
    /// Numbers with spaces between; sets in braces, confederation segments in parentheses or
    /// brackets, as looking glasses print them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, asns)) in self.segments().enumerate() {
            let (open, separator, close) = match kind {
                SegmentKind::Sequence => ("", " ", ""),
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::ConfedSequence => ("(", " ", ")"),
                SegmentKind::ConfedSet => ("[", ",", "]"),
            };
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(open)?;
            for (index, asn) in asns.iter().enumerate() {
                if index > 0 {
                    f.write_str(separator)?;
                }
                asn.fmt(f)?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPath({self})")
    }
}
