//! What the kernel says to the messages of one send.

use super::{HEADER_LEN, NetlinkError};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const NLA_TYPE_MASK: u16 = 0x3fff;
const ATTRIBUTE_LEN: usize = 4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// The reading side of one exchange.
pub(super) struct Answers<'a> {
    pub(super) names: &'a [String],
    pub(super) first: u32,
    pub(super) last: u32,
    /// The last message is a question without acknowledgement.
    pub(super) ends_with_answer: bool,
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) failure: Option<NetlinkError>,
    pub(super) interrupted: bool,
}

impl Answers<'_> {
    /// Takes one datagram; true once the last message has its answer.
    pub(super) fn take(&mut self, datagram: &[u8]) -> bool {
        let mut rest = datagram;
        while let Some((header, body, next)) = split_message(rest) {
            rest = next;
            // A multicast of the kernel's, or the rest of a dump that was given up.
            if header.sequence.wrapping_sub(self.first) > self.last.wrapping_sub(self.first) {
                continue;
            }
            self.interrupted |= header.flags & NLM_F_DUMP_INTR != 0 && header.kind != NLMSG_ERROR;
            match header.kind {
                NLMSG_ERROR => {
                    self.fail(&header, body);
                    if header.sequence == self.last {
                        return true;
                    }
                }
                NLMSG_DONE if header.sequence == self.last => {
                    // A dump that breaks off says why at its end.
                    self.fail(&header, body);
                    return true;
                }
                NLMSG_DONE => {}
                _ => {
                    self.bodies.push(body.to_vec());
                    if self.ends_with_answer && header.sequence == self.last {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Notes the first failure, if this is one.
    fn fail(&mut self, header: &MessageHeader, body: &[u8]) {
        let errno = read_i32(body, 0).unwrap_or(0).saturating_neg();
        if errno > 0 && self.failure.is_none() {
            self.failure = Some(NetlinkError {
                step: self.name_of(header.sequence),
                errno,
                kernel: kernel_words(header.flags, body),
            });
        }
    }

    pub(super) fn outcome(self) -> Result<Vec<Vec<u8>>, NetlinkError> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.interrupted => Err(NetlinkError {
                step: self.name_of(self.last),
                errno: libc::EINTR,
                kernel: None,
            }),
            None => Ok(self.bodies),
        }
    }

    fn name_of(&self, sequence: u32) -> String {
        let at = sequence.wrapping_sub(self.first) as usize;
        self.names.get(at).cloned().unwrap_or_default()
    }
}

struct MessageHeader {
    kind: u16,
    flags: u16,
    sequence: u32,
}

fn split_message(bytes: &[u8]) -> Option<(MessageHeader, &[u8], &[u8])> {
    let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
    if length < HEADER_LEN {
        return None;
    }
    let header = MessageHeader {
        kind: read_u16(bytes, 4)?,
        flags: read_u16(bytes, 6)?,
        sequence: read_u32(bytes, 8)?,
    };
    let body = bytes.get(HEADER_LEN..length)?;
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Some((header, body, next))
}

/// `NLMSGERR_ATTR_MSG`, which follows the echoed header.
fn kernel_words(flags: u16, body: &[u8]) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let attributes = body.get(4 + HEADER_LEN..)?;
    attributes_of(attributes)
        .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
        .map(|(_, value)| text(value))
}

/// The attributes (kind, value) of a message body, behind its fixed header; ends where they stop
/// making sense.
pub(crate) fn attributes_of(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(bytes, 0)?);
        let kind = read_u16(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_LEN..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]).into_owned()
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_ne_bytes(bytes))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    read_u32(bytes, at).map(u32::cast_signed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse_link;
    use super::*;

    /// A message of a dump's: header and four bytes.
    fn piece(kind: u16, flags: u16, sequence: u32) -> Vec<u8> {
        let mut bytes = 20_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn a_list_that_changed_meanwhile_is_not_taken() {
        let names = ["list the links".to_owned()];
        let read = |pieces: &[Vec<u8>]| {
            let mut answers = Answers {
                names: &names,
                first: 5,
                last: 5,
                ends_with_answer: false,
                bodies: Vec::new(),
                failure: None,
                interrupted: false,
            };
            assert!(answers.take(&pieces.concat()), "it ends");
            answers.outcome().map(|bodies| bodies.len())
        };
        let (part, done) = (16, NLMSG_DONE);
        assert_eq!(read(&[piece(part, 2, 5), piece(done, 2, 5)]), Ok(1));
        for torn in [
            [piece(part, 2 | NLM_F_DUMP_INTR, 5), piece(done, 2, 5)],
            [piece(part, 2, 5), piece(done, 2 | NLM_F_DUMP_INTR, 5)],
        ] {
            let error = read(&torn).expect_err("interrupted");
            assert_eq!(error.errno, libc::EINTR);
            assert_eq!(error.step, "list the links");
        }
        let mut broken = piece(done, 2, 5);
        broken[16..20].copy_from_slice(&(-libc::ENOBUFS).to_ne_bytes());
        let error = read(&[piece(part, 2, 5), broken]).expect_err("broken off");
        assert_eq!(error.errno, libc::ENOBUFS);
        // Neither what belongs to an older question nor what nobody asked for.
        let strange = [
            piece(part, NLM_F_DUMP_INTR, 4),
            piece(part, NLM_F_DUMP_INTR, 0),
            piece(done, 2, 4),
            piece(done, 2, 5),
        ];
        assert_eq!(read(&strange), Ok(0));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let names = ["a".to_owned()];
            let mut answers = Answers {
                names: &names, first: 1, last: 1, ends_with_answer: true, bodies: Vec::new(),
                failure: None, interrupted: false,
            };
            answers.take(&bytes);
            let _ = parse_link(&bytes);
        }
    }
}
