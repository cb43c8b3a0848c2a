//! What is sent: octets as the requirement writes them, and messages with their true lengths.

pub const OPEN: u8 = 1;
pub const UPDATE: u8 = 2;
pub const NOTIFICATION: u8 = 3;
pub const KEEPALIVE: u8 = 4;
pub const ROUTE_REFRESH: u8 = 5;

/// The base attributes of the rows: B is the three of them.
pub const ORIGIN: &str = "40010100";
pub const AS_PATH: &str = "40020a0202 0000fde9 0000fde7";
pub const NEXT_HOP: &str = "4003040a630002";

/// Octets of a text in hexadecimal; blanks do not count.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    assert!(
        digits.len().is_multiple_of(2),
        "odd number of digits in {text}"
    );
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// The reverse of [`hex`], without blanks.
pub fn text(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A header and what follows it, all as given.
pub fn raw(length: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 16];
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(body);
    out
}

/// A whole message.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    raw(u16::try_from(19 + body.len()).unwrap(), kind, body)
}

pub fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

/// A field of octets with its length in two octets before it.
fn counted(octets: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(octets.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(octets);
    out
}

/// Body of an UPDATE of these fields.
pub fn update_body(withdrawn: &str, attributes: &str, nlri: &str) -> Vec<u8> {
    [
        counted(&hex(withdrawn)),
        counted(&hex(attributes)),
        hex(nlri),
    ]
    .concat()
}

/// An UPDATE of these fields.
pub fn update(withdrawn: &str, attributes: &str, nlri: &str) -> Vec<u8> {
    message(UPDATE, &update_body(withdrawn, attributes, nlri))
}

/// B, with more attributes after it.
pub fn plus(more: &str) -> String {
    [ORIGIN, AS_PATH, NEXT_HOP, more].concat()
}

/// B with an AS_PATH of this value.
pub fn with_path(value: &str) -> String {
    let length = hex(value).len();
    [ORIGIN, &format!("5002 {length:04x} {value}"), NEXT_HOP].concat()
}

/// An attribute of any length.
pub fn attribute(flags: u8, code: u8, value: &[u8]) -> String {
    let head = match u8::try_from(value.len()) {
        Ok(length) if flags & 0x10 == 0 => format!("{flags:02x}{code:02x}{length:02x}"),
        _ => format!("{:02x}{code:02x}{:04x}", flags | 0x10, value.len()),
    };
    head + &text(value)
}

/// What an OPEN says; the parameters with their length before them.
#[derive(Clone, Debug)]
pub struct Open {
    pub version: u8,
    pub asn: u16,
    pub hold: u16,
    pub id: [u8; 4],
    pub parameters: String,
}

impl Open {
    /// The rows' default from this AS.
    pub fn new(asn: u16) -> Self {
        Self {
            version: 4,
            asn,
            hold: 90,
            id: [10, 99, 0, 2],
            parameters: parameter(&capabilities(asn)),
        }
    }

    /// The rows' default: AS 65001 at 10.99.0.2.
    pub fn rows() -> Self {
        Self::new(65001)
    }

    /// With these capabilities besides the default ones.
    pub fn and(self, more: &str) -> Self {
        let parameters = parameter(&(capabilities(self.asn) + more));
        Self { parameters, ..self }
    }

    /// With other parameters: their length, and they themselves.
    pub fn parameters(self, parameters: &str) -> Self {
        let parameters = parameters.to_owned();
        Self { parameters, ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = vec![self.version];
        body.extend(self.asn.to_be_bytes());
        body.extend(self.hold.to_be_bytes());
        body.extend(self.id);
        body.extend(hex(&self.parameters));
        message(OPEN, &body)
    }
}

/// IPv4 and IPv6 unicast, route refresh, 4-octet AS.
pub fn capabilities(asn: u16) -> String {
    format!("01 04 00010001 01 04 00020001 02 00 41 04 0000{asn:04x} ")
}

/// One parameter of capabilities, with the length of all parameters before it.
pub fn parameter(capabilities: &str) -> String {
    let length = hex(capabilities).len();
    format!("{:02x} 02 {length:02x} {capabilities}", length + 2)
}
