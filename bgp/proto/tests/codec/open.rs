//! Rows O: OPEN (RFC 4271 §6.2, RFC 5492, RFC 6286, RFC 6793, RFC 7607, RFC 9072).

use rcni_bgp_proto::validate::{self, ExpectedPeer};
use rcni_bgp_proto::{Capability, Family, Message, Notification, Open};

use crate::support::{hex, notification, receive, session, wire};

/// The capabilities of the rows' OPEN.
const CAPABILITIES: &str = "01 04 00010001  01 04 00020001  02 00  41 04 0000fde9";

/// An OPEN whose optional parameters are `opts`, with their length before them.
fn with_opts(head: &str, opts: &str) -> Vec<u8> {
    let opts = hex(opts);
    let mut body = hex(head);
    body.push(opts.len() as u8);
    body.extend(opts);
    body
}

const HEAD: &str = "04 fde9 005a 0a630002";

/// An OPEN with one parameter of capabilities.
fn with_capabilities(head: &str, capabilities: &str) -> Vec<u8> {
    let length = hex(capabilities).len();
    with_opts(head, &format!("02 {length:02x} {capabilities}"))
}

fn default_with(head: &str) -> Vec<u8> {
    with_capabilities(head, CAPABILITIES)
}

fn decode(body: &[u8]) -> Result<Open, Notification> {
    match receive(&wire(1, body), &session())? {
        Message::Open(open) => Ok(open),
        other => panic!("{other:?}"),
    }
}

/// Decodes and judges, as an external session unless `local_asn` is 65001.
fn judge_from(body: &[u8], local_asn: u32) -> Result<Open, Notification> {
    let local_bgp_id = "10.99.0.1".parse().expect("an address");
    let open = decode(body)?;
    validate::open(
        &open,
        &ExpectedPeer {
            asn: 65001.into(),
            local_asn,
            local_bgp_id,
        },
    )
    .map_err(|error| error.notification())?;
    Ok(open)
}

fn judge(body: &[u8]) -> Result<Open, Notification> {
    judge_from(body, 65000)
}

#[test]
fn o00_the_rows_own_open_is_accepted() {
    let open = judge(&default_with(HEAD)).expect("accepted");
    assert_eq!(open.asn(), 65001);
    assert_eq!(
        open.capabilities,
        [
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::FourOctetAs(65001),
        ]
    );
}

#[test]
fn o01_version_3() {
    assert_eq!(
        notification(judge(&default_with("03 fde9 005a 0a630002"))),
        "2/1=0004"
    );
}

#[test]
fn o02_wrong_as() {
    let body = with_capabilities("04 fe4b 005a 0a630002", "41 04 0000fe4b");
    assert_eq!(notification(judge(&body)), "2/2");
    // The capability is what counts.
    let body = with_capabilities(HEAD, "41 04 0000fe4b");
    assert_eq!(notification(judge(&body)), "2/2");
}

#[test]
fn o03_hold_time_1_or_2() {
    assert_eq!(
        notification(judge(&default_with("04 fde9 0001 0a630002"))),
        "2/6"
    );
    assert_eq!(
        notification(judge(&default_with("04 fde9 0002 0a630002"))),
        "2/6"
    );
    assert!(judge(&default_with("04 fde9 0003 0a630002")).is_ok());
    assert!(judge(&default_with("04 fde9 0000 0a630002")).is_ok());
}

#[test]
fn o04_id_zero() {
    assert_eq!(
        notification(judge(&default_with("04 fde9 005a 00000000"))),
        "2/3"
    );
}

#[test]
fn o05_own_id_on_an_internal_session() {
    let body = default_with("04 fde9 005a 0a630001");
    assert_eq!(notification(judge_from(&body, 65001)), "2/3");
    // RFC 6286: unique only within an AS.
    assert!(judge(&body).is_ok());
}

#[test]
fn o06_unknown_parameter() {
    assert_eq!(notification(judge(&with_opts(HEAD, "63 01 00"))), "2/4");
}

#[test]
fn o07_parameters_beyond_the_message() {
    let mut body = default_with(HEAD);
    let claimed = body[9] + 0x10;
    body[9] = claimed;
    assert_eq!(notification(judge(&body)), "2/0");
    let mut body = hex(HEAD);
    body.push(0x28);
    assert_eq!(notification(judge(&body)), "2/0");
}

#[test]
fn o07_octets_after_the_parameters() {
    let mut body = default_with(HEAD);
    body.push(0);
    assert_eq!(notification(judge(&body)), "2/0");
}

#[test]
fn o08_capability_beyond_its_parameter() {
    assert_eq!(
        notification(judge(&with_opts(HEAD, "02 06 41 c8 0000fde9"))),
        "2/0"
    );
}

#[test]
fn o09_four_octet_as_0() {
    assert_eq!(
        notification(judge(&with_capabilities(HEAD, "41 04 00000000"))),
        "2/2"
    );
}

#[test]
fn o10_my_as_0() {
    assert_eq!(
        notification(judge(&default_with("04 0000 005a 0a630002"))),
        "2/2"
    );
    assert_eq!(
        notification(judge(&with_opts("04 0000 005a 0a630002", ""))),
        "2/2"
    );
}

#[test]
fn o11_unknown_capability() {
    let body = with_capabilities(HEAD, &format!("{CAPABILITIES} c8 05 68656c6c6f"));
    let open = judge(&body).expect("accepted");
    let value = bytes::Bytes::from_static(b"hello");
    assert_eq!(
        open.capabilities.last(),
        Some(&Capability::Unknown { code: 0xc8, value })
    );
}

#[test]
fn o12_extended_parameters() {
    let length = hex(CAPABILITIES).len();
    let block = length + 3;
    let opts = format!("ff ff {block:04x} 02 {length:04x} {CAPABILITIES}");
    let body = hex(&format!("{HEAD} {opts}"));
    let extended = judge(&body).expect("accepted");
    assert_eq!(extended, judge(&default_with(HEAD)).expect("accepted"));
    // RFC 9072 §2: the first length octet should be 255, any but 0 is to be taken so.
    let body = hex(&format!("{HEAD} {}", opts.replacen("ff", "01", 1)));
    assert_eq!(judge(&body).expect("accepted"), extended);
}

#[test]
fn o13_extended_parameters_cut_off() {
    for end in ["ff ff", "ff ff 00", "ff ff 0018", "ff ff 0004 02 0016 01"] {
        assert_eq!(
            notification(judge(&hex(&format!("{HEAD} {end}")))),
            "2/0",
            "{end}"
        );
    }
}

#[test]
fn o14_parameter_of_one_octet() {
    assert_eq!(notification(judge(&hex(&format!("{HEAD} 01 02")))), "2/0");
}

#[test]
fn o15_software_version_with_inner_length_0() {
    let open = judge(&with_capabilities(
        HEAD,
        &format!("{CAPABILITIES} 4b 01 00"),
    ));
    assert_eq!(open.expect("accepted").capabilities.len(), 5);
}

#[test]
fn o16_fqdn_with_inner_length_200() {
    let open = judge(&with_capabilities(
        HEAD,
        &format!("{CAPABILITIES} 49 04 c8 616263"),
    ));
    assert_eq!(open.expect("accepted").capabilities.len(), 5);
}

#[test]
fn four_octet_as_of_a_wrong_length_is_refused() {
    assert_eq!(
        notification(judge(&with_capabilities(HEAD, "41 02 fde9"))),
        "2/0"
    );
}

#[test]
fn as_trans_hides_a_large_number() {
    let body = with_capabilities("04 5ba0 005a 0a630002", "41 04 fffffffe");
    assert_eq!(decode(&body).expect("decoded").asn(), 4_294_967_294);
    assert_eq!(Open::two_octet_as(4_294_967_294), 0x5ba0);
}
