use super::*;
use proptest::prelude::*;

/// From bfdd of FRR 8.4, up, with a poll: 300 ms, multiplier 3.
const CAPTURED: [u8; 24] = [
    0x20, 0xe8, 3, 24, 0x4d, 0x0e, 0x9a, 0x2f, 0, 0, 0, 5, 0, 0x04, 0x93, 0xe0, 0, 0x04, 0x93,
    0xe0, 0, 0, 0xc3, 0x50,
];

#[test]
fn a_packet_and_its_octets() {
    let packet = Packet::decode(&CAPTURED).unwrap();
    let expected = Packet {
        diagnostic: Diagnostic::NONE,
        state: State::Up,
        poll: true,
        final_: false,
        independent: true,
        authenticated: false,
        demand: false,
        multiplier: 3,
        my_discriminator: 0x4d0e_9a2f,
        your_discriminator: 5,
        desired_tx_micros: 300_000,
        required_rx_micros: 300_000,
        required_echo_rx_micros: 50_000,
    };
    assert_eq!(packet, expected);
    assert_eq!(packet.encode(), CAPTURED);
}

#[test]
fn each_discard_of_section_6_8_6_that_needs_no_session() {
    let with = |index: usize, value: u8| {
        let mut octets = CAPTURED;
        octets[index] = value;
        Packet::decode(&octets)
    };
    assert_eq!(Packet::decode(&[]), Err(Discard::Short));
    assert_eq!(Packet::decode(&CAPTURED[..23]), Err(Discard::Short));
    for first in [0x00, 0x40, 0xe0] {
        assert_eq!(with(0, first), Err(Discard::Version));
    }
    for length in [0, 23, 25, 255] {
        assert_eq!(with(3, length), Err(Discard::Length), "{length}");
    }
    // With authentication it must be longer by two.
    assert_eq!(with(1, 0xec), Err(Discard::Length));
    assert_eq!(with(2, 0), Err(Discard::Multiplier));
    assert_eq!(with(1, 0xe9), Err(Discard::Multipoint));
    let mut nobody = CAPTURED;
    nobody[4..8].fill(0);
    assert_eq!(Packet::decode(&nobody), Err(Discard::MyDiscriminator));
    // The version is looked at first, and the length before what it covers.
    assert_eq!(Packet::decode(&[0; 24]), Err(Discard::Version));
}

#[test]
fn what_follows_the_packet_is_not_looked_at() {
    let mut longer = CAPTURED.to_vec();
    longer.extend([0xff; 40]);
    assert!(Packet::decode(&longer).is_ok());
    longer[3] = 64;
    longer[1] |= 0x04;
    assert!(Packet::decode(&longer).unwrap().authenticated);
}

#[test]
fn diagnostics_have_words_and_unknown_ones_survive() {
    let mut octets = CAPTURED;
    octets[0] = 0x3f;
    let packet = Packet::decode(&octets).unwrap();
    assert_eq!(packet.diagnostic.code(), 31);
    assert_eq!(packet.diagnostic.to_string(), "diagnostic 31");
    assert_eq!(packet.encode(), octets);
    assert_eq!(
        Diagnostic::EXPIRED.to_string(),
        "control detection time expired"
    );
}

proptest! {
    #[test]
    fn what_is_decoded_is_encoded_again(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(packet) = Packet::decode(&octets) {
            let again = packet.encode();
            let plain = Packet { authenticated: false, ..packet };
            prop_assert_eq!(Packet::decode(&again), Ok(plain));
        }
    }

    #[test]
    fn any_valid_head_is_understood(
        flags in (0_u8..=255).prop_map(|flags| flags & !0x05),
        multiplier in 1_u8..,
        mine in 1_u32..,
        rest in any::<[u32; 4]>(),
    ) {
        let mut octets = [0; 24];
        octets[..4].copy_from_slice(&[0x20, flags, multiplier, 24]);
        octets[4..8].copy_from_slice(&mine.to_be_bytes());
        for (word, value) in octets[8..].chunks_exact_mut(4).zip(rest) {
            word.copy_from_slice(&value.to_be_bytes());
        }
        let packet = Packet::decode(&octets).unwrap();
        prop_assert_eq!(packet.encode(), octets);
    }
}
