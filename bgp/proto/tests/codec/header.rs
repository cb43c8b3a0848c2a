//! Rows H: the message header (RFC 4271 §6.1).

use rcni_bgp_proto::Message;
use rcni_bgp_proto::validate::SessionOptions;
use rcni_bgp_proto::wire::Framer;

use crate::support::{hex, notification, raw, receive, wire};

fn plain() -> SessionOptions {
    SessionOptions::default()
}

fn extended() -> SessionOptions {
    SessionOptions {
        extended_message: true,
        ..SessionOptions::default()
    }
}

#[test]
fn h01_bad_marker() {
    let mut message = wire(1, &[0; 10]);
    message[..16].fill(0);
    assert_eq!(notification(receive(&message, &plain())), "1/1");
}

#[test]
fn h01_bad_marker_is_seen_before_the_header_is_complete() {
    let mut framer = Framer::new();
    framer.push(b"GET / HTTP");
    assert_eq!(notification(framer.next_frame(4096)), "1/1");
    framer.push(&[0xff; 1000]);
    assert_eq!(framer.pending(), 0);
    assert_eq!(notification(framer.next_frame(4096)), "1/1");
}

#[test]
fn h02_length_18() {
    assert_eq!(
        notification(receive(&raw(18, 4, &[]), &plain())),
        "1/2=0012"
    );
}

#[test]
fn h03_length_4097() {
    let update = wire(2, &[0; 4078]);
    assert_eq!(update.len(), 4097);
    assert_eq!(notification(receive(&update, &plain())), "1/2=1001");
    // Valid with RFC 8654, but for OPEN and KEEPALIVE. The body says: nothing withdrawn, no
    // attributes, then 4074 default routes.
    match receive(&update, &extended()) {
        Ok(Message::Update(update)) => assert_eq!(update.nlri.len(), 4074),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        receive(&wire(3, &[6; 4078]), &extended()),
        Ok(Message::Notification(_))
    ));
    assert_eq!(
        notification(receive(&wire(1, &[0; 4078]), &extended())),
        "1/2=1001"
    );
    assert_eq!(
        notification(receive(&wire(4, &[0; 4078]), &extended())),
        "1/2=1001"
    );
}

#[test]
fn h03_a_length_is_refused_before_its_body_comes() {
    assert_eq!(
        notification(receive(&raw(0xffff, 2, &[]), &plain())),
        "1/2=ffff"
    );
}

#[test]
fn h04_type_0() {
    assert_eq!(notification(receive(&wire(0, &[]), &plain())), "1/3=00");
}

#[test]
fn h05_type_255() {
    assert_eq!(notification(receive(&wire(255, &[]), &plain())), "1/3=ff");
}

#[test]
fn h06_keepalive_of_20() {
    assert_eq!(notification(receive(&wire(4, &[0]), &plain())), "1/2=0014");
}

#[test]
fn h07_open_of_28() {
    assert_eq!(
        notification(receive(&wire(1, &[0; 9]), &plain())),
        "1/2=001c"
    );
}

#[test]
fn h08_update_of_22() {
    assert_eq!(
        notification(receive(&wire(2, &[0; 3]), &plain())),
        "1/2=0016"
    );
}

#[test]
fn h09_notification_of_20() {
    assert_eq!(notification(receive(&wire(3, &[6]), &plain())), "1/2=0014");
}

#[test]
fn h10_route_refresh_of_22() {
    let short = wire(5, &hex("000100"));
    assert_eq!(notification(receive(&short, &plain())), "1/2=0016");
    let enhanced = SessionOptions {
        enhanced_route_refresh: true,
        ..plain()
    };
    let quoted = format!("7/1={}001605000100", "ff".repeat(16));
    assert_eq!(notification(receive(&short, &enhanced)), quoted);
}

#[test]
fn h10_the_quoted_message_fits_a_notification() {
    let opts = SessionOptions {
        enhanced_route_refresh: true,
        ..extended()
    };
    let error = receive(&wire(5, &[7; 60000]), &opts).expect_err("too long");
    assert_eq!((error.code, error.subcode), (7, 1));
    assert_eq!(rcni_bgp_proto::message::notification(&error).len(), 4096);
}

#[test]
fn bytes_that_come_one_by_one_make_the_same_frames() {
    let mut stream = wire(4, &[]);
    stream.extend(wire(3, &[6, 2]));
    stream.extend(wire(4, &[]));
    let mut framer = Framer::new();
    let mut kinds = Vec::new();
    for octet in stream {
        framer.push(&[octet]);
        while let Some(frame) = framer.next_frame(4096).expect("valid") {
            kinds.push((frame.kind, frame.body.to_vec()));
        }
    }
    assert_eq!(kinds, [(4, vec![]), (3, vec![6, 2]), (4, vec![])]);
    assert_eq!(framer.pending(), 0);
}
