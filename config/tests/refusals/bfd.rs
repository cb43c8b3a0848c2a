//! How the way to a neighbour cannot be watched.

use super::*;

/// A speaker, a peer that names `fast`, and the profile, whose spec is in line 18.
fn with_profile(spec: &str) -> String {
    let peer = with_peer("  peerIP: 10.0.1.1\n  asNumber: 65000\n  bfdProfile: fast\n");
    format!("{peer}{}", object("BFDProfile", "fast", spec))
}

#[test]
fn a_number_out_of_range() {
    let text = with_profile(
        "  transmitIntervalMilliseconds: 9\n  receiveIntervalMilliseconds: 60001\n  \
         detectMultiplier: 0\n  minimumTTL: 255\n",
    );
    speaker_refuses(
        &text,
        &[
            "bgp.yaml:20: spec.transmitIntervalMilliseconds (BFDProfile fast): 9 is out of range; \
             write 10 to 60000",
            "bgp.yaml:21: spec.receiveIntervalMilliseconds (BFDProfile fast): 60001 is out of range; \
             write 10 to 60000",
            "bgp.yaml:22: spec.detectMultiplier (BFDProfile fast): 0 is out of range; write 1 to 255",
            "bgp.yaml:23: spec.minimumTTL (BFDProfile fast): 255 is out of range; write 1 to 254",
        ],
    );
}

#[test]
fn a_field_that_there_is_not() {
    speaker_refuses(
        &with_profile("  {detectMultiplyer: 3, echo: true}\n"),
        &[
            "bgp.yaml:20: spec.detectMultiplyer (BFDProfile fast): unknown field; did you mean \
             detectMultiplier? Known here: transmitIntervalMilliseconds, receiveIntervalMilliseconds, \
             detectMultiplier, passive, minimumTTL",
            "bgp.yaml:20: spec.echo (BFDProfile fast): unknown field; known here: \
             transmitIntervalMilliseconds, receiveIntervalMilliseconds, detectMultiplier, passive, \
             minimumTTL",
        ],
    );
}

#[test]
fn a_profile_that_there_is_not() {
    let text = with_profile("  {}\n").replace("bfdProfile: fast", "bfdProfile: fasd");
    speaker_refuses(
        &text,
        &[
            "bgp.yaml:14: spec.bfdProfile (BGPPeer tor-a): there is no BFDProfile named \"fasd\"; did \
             you mean fast? There are: default, fast",
        ],
    );
    // The default one needs no document, and may have one.
    let text = with_peer("  {peerIP: 10.0.1.1, asNumber: 65000, bfdProfile: default}\n");
    let config = parse_speaker("bgp.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    let bfd = config.peers[0].timers.bfd.unwrap();
    assert_eq!(
        (bfd.transmit_ms, bfd.receive_ms, bfd.multiplier),
        (300, 300, 3)
    );
    assert_eq!((bfd.passive, bfd.minimum_ttl), (false, 254));
    let own = object("BFDProfile", "default", "  {detectMultiplier: 5}\n");
    let config = parse_speaker("bgp.yaml", &format!("{text}{own}"));
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.peers[0].timers.bfd.unwrap().multiplier, 5);
}

#[test]
fn two_profiles_of_one_name() {
    let text = with_profile("  {}\n");
    let again = object("BFDProfile", "fast", "  {}\n");
    speaker_refuses(
        &format!("{text}{again}"),
        &[
            "bgp.yaml:24: metadata.name (BFDProfile fast): there is already a BFDProfile with this \
             name (the first is in line 18); give each its own name",
        ],
    );
}
