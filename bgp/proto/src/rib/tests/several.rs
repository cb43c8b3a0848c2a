//! Several paths of a prefix (RFC 7911): kept apart, ranked, told with identifiers.

use std::collections::BTreeMap;

use super::*;
use crate::validate::AddPathFamilies;
use crate::wire::Nlri;

const V4: Family = Family::IPV4_UNICAST;

fn path(n: u32, path_id: u32) -> Nlri {
    Nlri {
        prefix: prefix(n),
        path_id,
    }
}

fn tell(rib: &mut Rib, peer: u32, nlri: Nlri, as_path: &[u32]) {
    let attributes = rib.intern(Arc::new(attributes(as_path)));
    rib.announce(PeerId(peer), nlri, attributes, PathStatus::Pending);
}

fn with_ids() -> SessionOptions {
    SessionOptions {
        add_path: AddPathFamilies {
            receive: vec![],
            send: vec![V4],
        },
        ..options()
    }
}

#[test]
fn paths_of_one_peer_are_kept_apart_by_their_identifiers() {
    let mut rib = rib();
    tell(&mut rib, 0, path(1, 1), &[65001, 1]);
    tell(&mut rib, 0, path(1, 2), &[65001, 1]);
    tell(&mut rib, 0, path(1, 3), &[65001]);
    tell(&mut rib, 1, path(1, 0), &[65002, 1]);
    // The same identifier again replaces.
    tell(&mut rib, 0, path(1, 2), &[65001, 2]);
    settle(&mut rib);
    assert_eq!(rib.adj_in().counts(PeerId(0)).received, 3);
    let statuses: Vec<_> = rib
        .adj_in()
        .paths_with_ids(&prefix(1))
        .map(|(path, id)| (path.peer().0, id, path.status.to_string()))
        .collect();
    let longer = || "not best: longer AS_PATH".to_owned();
    assert_eq!(
        statuses,
        [
            (0, 1, longer()),
            (0, 2, longer()),
            (0, 3, "best".to_owned()),
            (1, 0, longer()),
        ]
    );
    rib.withdraw(PeerId(0), path(1, 3));
    rib.withdraw(PeerId(0), path(1, 9));
    rib.withdraw(PeerId(1), path(1, 0));
    settle(&mut rib);
    // Equal to the end: the lower identifier.
    let decision = rib.best(&prefix(1), 9, true, |_| true);
    let ids: Vec<u32> = decision.iter().map(|path| path.path_id).collect();
    assert_eq!(ids, [1, 2]);
    rib.withdraw(PeerId(0), path(1, 1));
    rib.withdraw(PeerId(0), path(1, 2));
    settle(&mut rib);
    assert_eq!(rib.adj_in().counts(PeerId(0)), PathCounts::default());
    assert!(rib.loc().get(&prefix(1)).is_none());
}

#[test]
fn a_peer_has_so_many_paths_of_a_prefix_and_no_more() {
    let mut rib = rib();
    for id in 1..=PATHS_OF_PREFIX {
        let nlri = path(1, u32::try_from(id).unwrap());
        assert!(rib.adj_in().has_room(PeerId(0), &nlri));
        tell(&mut rib, 0, nlri, &[65001]);
    }
    assert!(!rib.adj_in().has_room(PeerId(0), &path(1, 9999)));
    assert!(
        rib.adj_in().has_room(PeerId(0), &path(1, 7)),
        "in its place"
    );
    assert!(rib.adj_in().has_room(PeerId(1), &path(1, 9999)));
    assert!(rib.adj_in().has_room(PeerId(0), &path(2, 9999)));
}

#[test]
fn the_last_step_is_the_identifier() {
    let one = attributes(&[65001]);
    let candidate = |path_id| Candidate {
        attributes: &one,
        teller: teller(1, true),
        path_id,
    };
    let decision = decide(&[candidate(7), candidate(2)], Multipath::ONE);
    assert_eq!(decision.best, Some(1));
    assert_eq!(decision.statuses[0], PathStatus::Lost(Step::PathId));
}

/// What a peer has: by prefix and identifier the path, without our own AS.
#[derive(Default)]
struct Peer {
    has: BTreeMap<(Prefix, u32), Vec<u32>>,
    messages: usize,
}

impl Peer {
    /// Reads all there is. Nothing may be said that it knows already.
    fn read(&mut self, out: &mut AdjRibOut, rib: &Rib) {
        let mut framer = Framer::new();
        // It sends identifiers, so its mirror reads them.
        let mirror = SessionOptions {
            add_path: AddPathFamilies {
                receive: vec![V4],
                send: vec![],
            },
            ..options()
        };
        while let Some(bytes) = super::next_message(out, rib, &target(), true) {
            self.messages += 1;
            framer.push(&bytes);
            let frame = framer.next_frame(4096).unwrap().unwrap();
            let Message::Update(update) = message::decode(frame, &mirror).unwrap() else {
                panic!("an UPDATE")
            };
            let context = crate::validate::UpdateContext {
                peer_is_external: true,
                peer_asn: 65000,
                local_asn: 65099,
                enforce_first_as: true,
                local_addresses: vec![],
            };
            let routes = crate::validate::update(update, &mirror, &context).unwrap();
            for nlri in routes.withdrawn.into_iter().flat_map(|(_, all)| all) {
                let had = self.has.remove(&(nlri.prefix, nlri.path_id));
                assert!(had.is_some(), "{nlri} was not there");
            }
            for announcement in routes.announced {
                let asns: Vec<u32> = announcement.attributes.as_path.asns().skip(1).collect();
                for nlri in announcement.prefixes {
                    let old = self.has.insert((nlri.prefix, nlri.path_id), asns.clone());
                    assert_ne!(old, Some(asns.clone()), "{nlri} is told twice");
                }
            }
        }
    }

    fn paths(&self, n: u32) -> Vec<(u32, Vec<u32>)> {
        let of = |(prefix, _): &&(Prefix, u32)| *prefix == super::prefix(n);
        let keys = self.has.keys().filter(of);
        keys.map(|key| (key.1, self.has[key].clone())).collect()
    }
}

fn mark(rib: &mut Rib, out: &mut AdjRibOut) {
    for (prefix, change) in settle(rib) {
        out.note(prefix, &change);
    }
}

#[test]
fn the_best_paths_are_told_and_changes_are_small() {
    let mut rib = rib();
    tell(&mut rib, 0, path(1, 0), &[65001]);
    tell(&mut rib, 1, path(1, 5), &[65002, 1]);
    tell(&mut rib, 1, path(1, 6), &[65002, 1, 2]);
    let mut out = AdjRibOut::new(with_ids()).telling(2);
    mark(&mut rib, &mut out);
    let mut peer = Peer::default();
    peer.read(&mut out, &rib);
    assert_eq!(peer.paths(1), [(1, vec![65001]), (2, vec![65002, 1])]);
    assert_eq!(out.advertised(), 3, "with the own network");
    assert_eq!(out.advertised_of(V4), 3);

    // The best goes: the second keeps its identifier, the third takes the one that is free.
    rib.withdraw(PeerId(0), path(1, 0));
    mark(&mut rib, &mut out);
    let before = peer.messages;
    peer.read(&mut out, &rib);
    assert_eq!(peer.paths(1), [(1, vec![65002, 1, 2]), (2, vec![65002, 1])]);
    assert_eq!(
        peer.messages,
        before + 1,
        "an announcement and no withdrawal"
    );

    // A path that is not among the best changes nothing.
    tell(&mut rib, 0, path(1, 0), &[65001, 1, 2, 3, 4, 5]);
    mark(&mut rib, &mut out);
    peer.read(&mut out, &rib);
    assert_eq!(peer.messages, before + 1);

    rib.flush(PeerId(1));
    mark(&mut rib, &mut out);
    peer.read(&mut out, &rib);
    assert_eq!(peer.paths(1).len(), 1);
    rib.flush(PeerId(0));
    mark(&mut rib, &mut out);
    peer.read(&mut out, &rib);
    assert_eq!(peer.paths(1), []);
    assert_eq!(out.advertised(), 1);
}

#[test]
fn what_is_not_allowed_takes_no_place() {
    let mut rib = rib();
    // The peer's own AS is in the best one.
    tell(&mut rib, 0, path(1, 1), &[65099]);
    tell(&mut rib, 0, path(1, 2), &[65001, 1, 2]);
    tell(&mut rib, 1, path(1, 3), &[65002, 1]);
    let mut out = AdjRibOut::new(with_ids()).telling(2);
    mark(&mut rib, &mut out);
    let mut peer = Peer::default();
    peer.read(&mut out, &rib);
    assert_eq!(peer.paths(1), [(1, vec![65002, 1]), (2, vec![65001, 1, 2])]);
    // One that does not fit into a message is not there, and the other is.
    let huge: Vec<u32> = (1..3000).collect();
    tell(&mut rib, 1, path(1, 3), &huge);
    mark(&mut rib, &mut out);
    let mut messages = vec![];
    while let Some(bytes) = super::next_message(&mut out, &rib, &target(), true) {
        messages.push(bytes);
    }
    assert_eq!(messages.len(), 1, "one withdrawal");
    assert_eq!(out.too_long(), Some((1, prefix(1))));
    assert_eq!(out.advertised(), 2);
}

#[derive(Clone, Debug)]
enum Act {
    Tell(u32, u32, u32, u32),
    Withdraw(u32, u32, u32),
    Flush(u32),
    Read,
}

fn act() -> impl Strategy<Value = Act> {
    let (peer, net, id) = (0_u32..2, 1_u32..4, 0_u32..4);
    prop_oneof![
        6 => (peer.clone(), net.clone(), id.clone(), 0_u32..5).prop_map(|(a, b, c, d)| Act::Tell(a, b, c, d)),
        3 => (peer.clone(), net, id).prop_map(|(a, b, c)| Act::Withdraw(a, b, c)),
        1 => peer.prop_map(Act::Flush),
        2 => Just(Act::Read),
    ]
}

proptest! {
    /// Whatever happens and whenever the peer reads: in the end it has the best paths, and
    /// nobody's identifier has changed while it had the path.
    #[test]
    fn the_peer_has_the_best_paths(acts in proptest::collection::vec(act(), 1..60), most in 1_usize..4) {
        let mut rib = rib();
        let mut out = AdjRibOut::new(with_ids()).telling(most);
        let mut peer = Peer::default();
        for act in acts.into_iter().chain([Act::Read]) {
            match act {
                Act::Tell(peer, net, id, length) => {
                    let asns: Vec<u32> = [65001 + peer, 700 + id].into_iter().chain(1..=length).collect();
                    tell(&mut rib, peer, path(net, id), &asns);
                }
                Act::Withdraw(peer, net, id) => rib.withdraw(PeerId(peer), path(net, id)),
                Act::Flush(peer) => rib.flush(PeerId(peer)),
                Act::Read => {
                    let before = peer.has.clone();
                    peer.read(&mut out, &rib);
                    for ((prefix, id), asns) in &before {
                        // Peer and identifier are in the path: who has not gone has the same one.
                        let same = |other: &&Vec<u32>| other[..2.min(other.len())] == asns[..2.min(asns.len())];
                        let still = peer.has.iter().find(|((p, _), other)| p == prefix && same(other));
                        if let Some(((_, now), _)) = still {
                            prop_assert_eq!(now, id);
                        }
                    }
                }
            }
            mark(&mut rib, &mut out);
        }
        peer.read(&mut out, &rib);
        let mut paths = 1;
        for net in 1..4 {
            let best = rib.best(&prefix(net), most, true, |_| true);
            let mut expected: Vec<Vec<u32>> = best
                .iter()
                .map(|path| path.route.attributes.as_path.asns().collect())
                .collect();
            let mut has: Vec<Vec<u32>> = peer.paths(net).into_iter().map(|(_, asns)| asns).collect();
            expected.sort();
            has.sort();
            paths += has.len();
            prop_assert_eq!(has, expected);
        }
        prop_assert_eq!(out.advertised(), paths);
    }
}
