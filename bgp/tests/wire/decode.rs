//! What an observer makes of an UPDATE: a decoder that shares nothing with the daemon's. It fails
//! on whatever a strict peer would complain about.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::bytes::text;

/// Takes octets from the front.
pub struct Octets<'a>(pub &'a [u8]);

impl<'a> Octets<'a> {
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        assert!(
            count <= self.0.len(),
            "{count} octets wanted, {} are left",
            self.0.len()
        );
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    pub fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub fn u16(&mut self) -> usize {
        usize::from(u16::from_be_bytes(self.take(2).try_into().unwrap()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An attribute but for the multiprotocol ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub flags: u8,
    pub code: u8,
    pub value: Vec<u8>,
}

impl Attribute {
    /// As it stood on the wire, in hexadecimal.
    pub fn text(&self) -> String {
        super::bytes::attribute(self.flags, self.code, &self.value)
    }
}

/// What an UPDATE says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    pub withdrawn: Vec<String>,
    pub announced: Vec<String>,
    pub attributes: Vec<Attribute>,
    /// Of MP_REACH_NLRI.
    pub next_hop: Option<String>,
    pub end_of_rib: bool,
}

pub fn update(body: &[u8]) -> Update {
    let mut out = Update {
        end_of_rib: body == [0; 4],
        ..Update::default()
    };
    let mut body = Octets(body);
    let length = body.u16();
    out.withdrawn = prefixes(body.take(length), 4);
    let length = body.u16();
    let mut field = Octets(body.take(length));
    out.announced = prefixes(body.0, 4);
    let mut before = None;
    while !field.is_empty() {
        let attribute = one(&mut field);
        match attribute.code {
            14 => {
                assert_eq!(before, None, "RFC 7606 5.1: MP_REACH_NLRI comes first");
                reach(&attribute, &mut out);
            }
            15 => unreach(&attribute, &mut out),
            code => {
                assert!(before < Some(code), "{code} after {before:?}: not in order");
                before = Some(code);
                out.attributes.push(attribute);
            }
        }
    }
    if !out.announced.is_empty() {
        for code in [1, 2] {
            let there = out.attributes.iter().any(|other| other.code == code);
            assert!(there, "attribute {code} is missing");
        }
    }
    out
}

fn one(field: &mut Octets<'_>) -> Attribute {
    let flags = field.u8();
    assert_eq!(flags & 0x0f, 0, "unused flag bits are set");
    let code = field.u8();
    let length = if flags & 0x10 == 0 {
        field.u8().into()
    } else {
        field.u16()
    };
    Attribute {
        flags,
        code,
        value: field.take(length).to_vec(),
    }
}

fn family(value: &mut Octets<'_>) -> usize {
    let (afi, safi) = (value.u16(), value.u8());
    assert_eq!(safi, 1, "not unicast");
    match afi {
        1 => 4,
        2 => 16,
        other => panic!("address family {other} was never negotiated"),
    }
}

fn reach(attribute: &Attribute, out: &mut Update) {
    assert_eq!(attribute.flags & 0xe0, 0x80, "flags of MP_REACH_NLRI");
    let mut value = Octets(&attribute.value);
    let size = family(&mut value);
    let length = usize::from(value.u8());
    let next_hop = value.take(length);
    out.next_hop = Some(match length {
        4 => address(next_hop),
        16 => address(next_hop),
        32 => {
            let (global, link_local) = next_hop.split_at(16);
            format!("{} {}", address(global), address(link_local))
        }
        _ => panic!("a next hop of {length} octets"),
    });
    assert_eq!(value.u8(), 0, "the reserved octet");
    let announced = prefixes(value.0, size);
    assert!(!announced.is_empty(), "MP_REACH_NLRI without prefixes");
    out.announced.extend(announced);
}

fn unreach(attribute: &Attribute, out: &mut Update) {
    assert_eq!(attribute.flags & 0xe0, 0x80, "flags of MP_UNREACH_NLRI");
    let mut value = Octets(&attribute.value);
    let size = family(&mut value);
    let withdrawn = prefixes(value.0, size);
    out.end_of_rib |= withdrawn.is_empty();
    out.withdrawn.extend(withdrawn);
}

/// An address from 4 or 16 octets.
pub fn address(octets: &[u8]) -> String {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        Ipv4Addr::from(octets).to_string()
    } else {
        Ipv6Addr::from(<[u8; 16]>::try_from(octets).unwrap()).to_string()
    }
}

/// Prefixes of addresses of `size` octets.
fn prefixes(field: &[u8], size: usize) -> Vec<String> {
    let mut field = Octets(field);
    let mut out = Vec::new();
    while !field.is_empty() {
        let bits = usize::from(field.u8());
        assert!(bits <= size * 8, "a prefix of {bits} bits");
        let octets = field.take(bits.div_ceil(8));
        let mut whole = octets.to_vec();
        whole.resize(size, 0);
        let host = octets.last().map_or(0, |last| match bits % 8 {
            0 => 0,
            used => last << used,
        });
        assert_eq!(host, 0, "host bits are set in {bits} of {}", text(octets));
        let mut prefix = address(&whole);
        write!(prefix, "/{bits}").unwrap();
        out.push(prefix);
    }
    out
}
