//! Bytes as text, and the session that the rows assume: local AS 65000 at 10.99.0.1, peer
//! AS 65001 at 10.99.0.2.

use bytes::{Bytes, BytesMut};
use rcni_bgp_proto::attr::PathAttributes;
use rcni_bgp_proto::iana::Family;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::validate::{self, RouteUpdate, SessionOptions, UpdateContext};
use rcni_bgp_proto::wire::{Frame, Framer, MAX_MESSAGE_LEN};
use rcni_bgp_proto::{Nlri, Notification, Prefix};

/// Octets of a text in hexadecimal; blanks do not count.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    assert!(
        digits.len().is_multiple_of(2),
        "odd number of digits in {text}"
    );
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// A whole message with its true length.
pub(crate) fn wire(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap();
    let mut out = vec![0xff; 16];
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(body);
    out
}

/// A header and what follows, all as given.
pub(crate) fn raw(length: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = wire(kind, body);
    out[16..18].copy_from_slice(&length.to_be_bytes());
    out
}

/// Through framer and decoder.
pub(crate) fn receive(bytes: &[u8], opts: &SessionOptions) -> Result<Message, Notification> {
    let mut framer = Framer::new();
    framer.push(bytes);
    let frame = framer
        .next_frame(opts.max_message_len())?
        .expect("a whole message");
    assert_eq!(
        framer.next_frame(opts.max_message_len()),
        Ok(None),
        "one message"
    );
    message::decode(frame, opts)
}

pub(crate) fn frame(kind: u8, body: Vec<u8>) -> Frame {
    Frame {
        kind,
        body: Bytes::from(body),
    }
}

pub(crate) fn encoded(message: &Message, opts: &SessionOptions) -> Vec<u8> {
    let mut out = BytesMut::new();
    message::encode(message, opts, &mut out).expect("fits");
    assert!(out.len() <= opts.max_message_len().max(MAX_MESSAGE_LEN));
    out.to_vec()
}

pub(crate) fn session() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
        ..SessionOptions::default()
    }
}

pub(crate) fn two_octet_session() -> SessionOptions {
    SessionOptions {
        four_octet_as: false,
        ..session()
    }
}

pub(crate) fn external() -> UpdateContext {
    UpdateContext {
        peer_is_external: true,
        peer_asn: 65001,
        local_asn: 65000,
        enforce_first_as: true,
        local_addresses: vec!["10.99.0.1".parse().unwrap()],
    }
}

pub(crate) fn internal() -> UpdateContext {
    UpdateContext {
        peer_is_external: false,
        peer_asn: 65000,
        ..external()
    }
}

/// The base attributes of the rows.
pub(crate) const ORIGIN: &str = "40010100";
pub(crate) const AS_PATH: &str = "40020a0202 0000fde9 0000fde7";
pub(crate) const NEXT_HOP: &str = "4003040a630002";
/// 100.64.1.0/24.
pub(crate) const P: &str = "18 644001";

pub(crate) fn base() -> String {
    [ORIGIN, AS_PATH, NEXT_HOP].concat()
}

/// Body of an UPDATE of these fields.
pub(crate) fn body(withdrawn: &str, attributes: &str, nlri: &str) -> Vec<u8> {
    let (withdrawn, attributes) = (hex(withdrawn), hex(attributes));
    let mut out = (withdrawn.len() as u16).to_be_bytes().to_vec();
    out.extend(withdrawn);
    out.extend((attributes.len() as u16).to_be_bytes());
    out.extend(attributes);
    out.extend(hex(nlri));
    out
}

/// Receives and judges.
pub(crate) fn judge_body(
    body: &[u8],
    opts: &SessionOptions,
    ctx: &UpdateContext,
) -> Result<RouteUpdate, Notification> {
    match receive(&wire(2, body), opts)? {
        Message::Update(update) => validate::update(update, opts, ctx),
        other => panic!("not an UPDATE: {other:?}"),
    }
}

pub(crate) fn judge(attributes: &str, nlri: &str) -> Result<RouteUpdate, Notification> {
    judge_body(&body("", attributes, nlri), &session(), &external())
}

/// `N a/b=data`, the way the rows write it.
pub(crate) fn notification(result: Result<impl std::fmt::Debug, Notification>) -> String {
    let Notification {
        code,
        subcode,
        data,
    } = result.expect_err("a NOTIFICATION");
    let data: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
    if data.is_empty() {
        format!("{code}/{subcode}")
    } else {
        format!("{code}/{subcode}={data}")
    }
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A prefix as it stands in a message: without a path identifier.
pub(crate) fn nlri(text: &str) -> Nlri {
    prefix(text).into()
}

/// P is withdrawn, nothing is announced, and it is said why.
pub(crate) fn assert_withdrawn(result: Result<RouteUpdate, Notification>, reason: &str) {
    let update = result.expect("the session lives");
    assert_eq!(update.announced, []);
    assert_eq!(
        update.withdrawn,
        [(Family::IPV4_UNICAST, vec![nlri("100.64.1.0/24")])]
    );
    let said: Vec<String> = update.errors.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|line| line.contains(reason)),
        "{reason} not in {said:?}"
    );
}

/// P is announced; its attributes and what was said about discarded ones.
pub(crate) fn assert_used(result: Result<RouteUpdate, Notification>) -> (PathAttributes, String) {
    let update = result.expect("the session lives");
    assert_eq!(update.withdrawn, []);
    assert_eq!(update.announced.len(), 1);
    let announcement = &update.announced[0];
    assert_eq!(announcement.prefixes, [prefix("100.64.1.0/24")]);
    let said: Vec<String> = update.errors.iter().map(ToString::to_string).collect();
    ((*announcement.attributes).clone(), said.join("\n"))
}
