//! NOTIFICATION and ROUTE-REFRESH; rows N and R as far as bytes go.

use bytes::Bytes;
use rcni_bgp_proto::iana::{cease_subcode, error_code, fsm_subcode, header_subcode, open_subcode};
use rcni_bgp_proto::{Family, Message, Notification, RouteRefresh, message};

use crate::support::{encoded, hex, receive, session, wire};

fn cease(subcode: u8, data: impl Into<Bytes>) -> Notification {
    Notification::new(error_code::CEASE, subcode, data)
}

#[test]
fn names() {
    let text = |notification: Notification| notification.to_string();
    let collision = Notification::cease(cease_subcode::COLLISION_RESOLUTION);
    assert_eq!(
        text(collision),
        "Cease/Connection Collision Resolution (6/7)"
    );
    assert_eq!(
        text(Notification::hold_timer_expired()),
        "Hold Timer Expired (4/0)"
    );
    assert_eq!(
        text(Notification::new(99, 3, Bytes::new())),
        "Unknown Error (99/3)"
    );
    assert_eq!(text(Notification::cease(200)), "Cease (6/200)");
    assert_eq!(
        text(Notification::fsm(fsm_subcode::OPEN_SENT)),
        "Finite State Machine Error/Receive Unexpected Message in OpenSent State (5/1)"
    );
    assert_eq!(
        text(Notification::open(open_subcode::BAD_PEER_AS)),
        "OPEN Message Error/Bad Peer AS (2/2)"
    );
    assert_eq!(
        text(Notification::new(1, header_subcode::BAD_TYPE, vec![9])),
        "Message Header Error/Bad Message Type (1/3)"
    );
}

#[test]
fn both_directions() {
    let octets = wire(3, &hex("06 02 04 62796521"));
    let notification = Notification::shutdown("bye!");
    assert_eq!(
        receive(&octets, &session()),
        Ok(Message::Notification(notification.clone()))
    );
    assert_eq!(message::notification(&notification), octets);
    assert_eq!(
        encoded(&Message::Notification(notification), &session()),
        octets
    );
}

#[test]
fn shutdown_communication() {
    let shutdown = Notification::shutdown("rack 7 moves at 12:00");
    assert_eq!(
        shutdown.shutdown_text().as_deref(),
        Some("rack 7 moves at 12:00")
    );
    assert_eq!(
        shutdown.to_string(),
        "Cease/Administrative Shutdown (6/2): \"rack 7 moves at 12:00\""
    );
    assert_eq!(Notification::shutdown("").data, Bytes::new());
    // 254 octets and a letter of two: cut before the letter.
    let text = format!("{}é", "x".repeat(254));
    assert_eq!(Notification::shutdown(&text).data.len(), 255);
}

#[test]
fn n01_shutdown_text_that_is_shorter_than_it_says() {
    let notification = cease(2, [&[255][..], &[b'a'; 10]].concat());
    assert_eq!(notification.shutdown_text(), None);
    assert_eq!(
        notification.to_string(),
        "Cease/Administrative Shutdown (6/2)"
    );
    assert_eq!(cease(2, vec![]).shutdown_text(), None);
    assert_eq!(cease(2, vec![0]).shutdown_text(), None);
}

#[test]
fn n02_shutdown_text_of_bad_utf_8_and_control_characters() {
    let mut data = vec![200];
    data.extend([0xff; 190]);
    data.extend(b"\x1b[2J\n\r\0\"'\\");
    assert_eq!(data.len(), 201);
    let text = cease(2, data).shutdown_text().expect("a text");
    assert!(text.chars().all(|c| !c.is_control()), "{text}");
}

#[test]
fn hard_reset() {
    assert!(Notification::cease(cease_subcode::HARD_RESET).is_hard_reset());
    assert!(!Notification::cease(cease_subcode::ADMINISTRATIVE_RESET).is_hard_reset());
    assert!(!Notification::open(9).is_hard_reset());
}

/// RFC 8538 §3.1: code, subcode and data of what the hard reset is for.
#[test]
fn hard_reset_encapsulates_its_reason() {
    let octets = wire(3, &hex("06 09 06 02 04 62796521"));
    let shutdown = Notification::shutdown("bye!");
    let hard = shutdown.clone().into_hard_reset();
    assert_eq!(
        receive(&octets, &session()),
        Ok(Message::Notification(hard.clone()))
    );
    assert_eq!(message::notification(&hard), octets);
    assert_eq!(hard.encapsulated(), Some(shutdown.clone()));
    assert_eq!(
        hard.to_string(),
        "Cease/Hard Reset (6/9) for Cease/Administrative Shutdown (6/2): \"bye!\""
    );
    let hold = Notification::hold_timer_expired();
    assert_eq!(
        message::notification(&hold.clone().into_hard_reset()),
        wire(3, &hex("06 09 04 00"))
    );
    assert_eq!(hold.encapsulated(), None);
    assert_eq!(shutdown.encapsulated(), None);
}

#[test]
fn hard_reset_that_is_cut_off_or_nested() {
    for short in [vec![], vec![6]] {
        let hard = cease(9, short);
        assert_eq!(hard.encapsulated(), None);
        assert_eq!(hard.to_string(), "Cease/Hard Reset (6/9)");
    }
    // As deep as a message can be: it is not looked into.
    let nested = cease(9, [6, 9].repeat(32_000));
    assert_eq!(nested.to_string(), "Cease/Hard Reset (6/9)");
    // What a text inside may do to a terminal.
    let data = [&[6, 2, 4][..], b"\x1b[2J"].concat();
    let text = cease(9, data).to_string();
    assert!(text.chars().all(|c| !c.is_control()), "{text}");
}

#[test]
fn which_ceases_are_lasting() {
    let lasting = (0..=255).filter(|subcode| Notification::cease(*subcode).is_lasting());
    assert_eq!(lasting.collect::<Vec<_>>(), [1, 2, 3]);
    assert!(!Notification::open(2).is_lasting());
}

#[test]
fn data_beyond_the_message_is_cut() {
    assert_eq!(message::notification(&cease(9, vec![7; 70000])).len(), 4096);
}

#[test]
fn keepalive() {
    assert_eq!(message::keepalive(), wire(4, &[]));
    assert_eq!(receive(&wire(4, &[]), &session()), Ok(Message::Keepalive));
    assert_eq!(encoded(&Message::Keepalive, &session()), wire(4, &[]));
}

#[test]
fn r01_route_refresh_for_an_unknown_family() {
    let refresh = RouteRefresh {
        family: Family {
            afi: 0x4004,
            safi: 71,
        },
        subtype: 0,
    };
    let octets = wire(5, &hex("4004 00 47"));
    assert_eq!(
        receive(&octets, &session()),
        Ok(Message::RouteRefresh(refresh))
    );
    assert_eq!(encoded(&Message::RouteRefresh(refresh), &session()), octets);
    assert_eq!(refresh.family.to_string(), "afi-16388 safi-71");
}

#[test]
fn r02_route_refresh_of_subtype_99() {
    let refresh = RouteRefresh {
        family: Family::IPV4_UNICAST,
        subtype: 99,
    };
    let octets = wire(5, &hex("0001 63 01"));
    assert_eq!(
        receive(&octets, &session()),
        Ok(Message::RouteRefresh(refresh))
    );
}
