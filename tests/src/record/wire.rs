//! What the scripted speakers say, as bytes (RFC 4271 §4). The text of a message is hexadecimal;
//! blanks do not count.

use anyhow::{Context, Result, ensure};

/// Message types.
pub mod kind {
    /// OPEN
    pub const OPEN: u8 = 1;
    /// UPDATE
    pub const UPDATE: u8 = 2;
    /// NOTIFICATION
    pub const NOTIFICATION: u8 = 3;
    /// KEEPALIVE
    pub const KEEPALIVE: u8 = 4;
    /// ROUTE-REFRESH
    pub const ROUTE_REFRESH: u8 = 5;
}

/// Marker, length, type.
pub const HEADER_LEN: usize = 19;

/// Octets of a text.
///
/// # Errors
/// It is not hexadecimal.
pub fn hex(text: &str) -> Result<Vec<u8>> {
    let digits: String = text.split_whitespace().collect();
    ensure!(digits.len().is_multiple_of(2), "odd: {text}");
    (0..digits.len())
        .step_by(2)
        .map(|at| {
            let pair = digits.get(at..at + 2).context("no pair")?;
            u8::from_str_radix(pair, 16).with_context(|| format!("{pair} in {text}"))
        })
        .collect()
}

/// A text of octets.
#[must_use]
pub fn text(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A whole message.
///
/// # Errors
/// `body` is not hexadecimal or too long.
pub fn message(kind: u8, body: &str) -> Result<Vec<u8>> {
    let body = hex(body)?;
    let length = u16::try_from(HEADER_LEN + body.len())?;
    let mut out = vec![0xff; 16];
    out.extend(length.to_be_bytes());
    out.push(kind);
    out.extend(body);
    Ok(out)
}

/// An OPEN of AS `asn` (two octets are enough), hold time 90, with these capabilities.
///
/// # Errors
/// As [`message`].
pub fn open(asn: u16, bgp_id: &str, capabilities: &str) -> Result<Vec<u8>> {
    let length = hex(capabilities)?.len();
    let parameters = if length == 0 {
        "00".to_owned()
    } else {
        format!("{:02x} 02 {length:02x} {capabilities}", length + 2)
    };
    message(
        kind::OPEN,
        &format!("04 {asn:04x} 005a {bgp_id} {parameters}"),
    )
}

/// An UPDATE of its three fields.
///
/// # Errors
/// As [`message`].
pub fn update(withdrawn: &str, attributes: &str, nlri: &str) -> Result<Vec<u8>> {
    let (withdrawn_len, attributes_len) = (hex(withdrawn)?.len(), hex(attributes)?.len());
    message(
        kind::UPDATE,
        &format!("{withdrawn_len:04x} {withdrawn} {attributes_len:04x} {attributes} {nlri}"),
    )
}

/// The first whole message of `bytes`, if there is one, as its length.
#[must_use]
pub fn whole(bytes: &[u8]) -> Option<usize> {
    let [high, low] = *bytes.get(16..18)?.as_array::<2>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    (length >= HEADER_LEN && bytes.len() >= length).then_some(length)
}
