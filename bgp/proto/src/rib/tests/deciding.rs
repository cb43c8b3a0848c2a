//! The steps of the decision.

use super::*;
use crate::attr::Origin;

/// The second of two paths loses, at this step.
#[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
fn loses(step: Step, winner: (PathAttributes, Teller), loser: (PathAttributes, Teller)) {
    let (w, l) = (
        Candidate {
            attributes: &winner.0,
            teller: winner.1,
            path_id: 0,
        },
        Candidate {
            attributes: &loser.0,
            teller: loser.1,
            path_id: 0,
        },
    );
    let decision = decide(&[w, l], Multipath::ONE);
    assert_eq!(decision.best, Some(0), "{step}");
    assert_eq!(
        decision.statuses,
        [PathStatus::Best, PathStatus::Lost(step)]
    );
    let swapped = decide(&[l, w], Multipath::ONE);
    assert_eq!(swapped.best, Some(1), "{step}");
    assert_eq!(swapped.statuses, [PathStatus::Lost(step), PathStatus::Best]);
}

#[test]
fn each_step_decides_and_is_the_reason() {
    let plain = || attributes(&[65001, 65002]);
    let with = |change: &dyn Fn(&mut PathAttributes)| {
        let mut attributes = plain();
        change(&mut attributes);
        attributes
    };
    let (a, b) = (teller(1, true), teller(2, true));
    loses(
        Step::OwnNetwork,
        (with(&|p| p.origin = Origin::Incomplete), Teller::Own),
        (plain(), a),
    );
    let preferred = with(&|p| {
        p.local_pref = 101.into();
        p.as_path = AsPath::from_sequence(&[1, 2, 3, 4]);
    });
    loses(Step::LocalPref, (preferred, b), (plain(), a));
    // 100 is what is meant where nothing is said.
    loses(
        Step::BgpId,
        (with(&|p| p.local_pref = 100.into()), a),
        (plain(), b),
    );
    let short = with(&|p| {
        p.as_path = AsPath::from_sequence(&[65001]);
        p.origin = Origin::Incomplete;
    });
    loses(Step::AsPathLength, (short, b), (plain(), a));
    let far = with(&|p| p.med = Some(9));
    loses(
        Step::Origin,
        (far.clone(), b),
        (with(&|p| p.origin = Origin::Egp), a),
    );
    loses(Step::Med, (plain(), b), (far.clone(), a));
    // Another neighbouring AS: MED does not compare.
    let other = with(&|p| p.as_path = AsPath::from_sequence(&[65009, 65002]));
    loses(Step::BgpId, (far, a), (other, b));
    loses(Step::External, (plain(), b), (plain(), teller(1, false)));
    loses(Step::BgpId, (plain(), a), (plain(), b));
    let reflected = with(&|p| p.rare_mut().originator_id = Some([10, 255, 0, 1].into()));
    let clusters = with(&|p| {
        p.rare_mut().originator_id = Some([10, 255, 0, 1].into());
        p.rare_mut().cluster_list = vec![[1, 1, 1, 1].into()];
    });
    loses(
        Step::BgpId,
        (reflected.clone(), teller(9, false)),
        (plain(), teller(2, false)),
    );
    loses(
        Step::ClusterList,
        (reflected, teller(9, false)),
        (clusters, teller(2, false)),
    );
    let twin = match b {
        Teller::Peer {
            external,
            client,
            address,
            number,
            ..
        } => Teller::Peer {
            external,
            client,
            bgp_id: [10, 255, 0, 1].into(),
            address,
            number,
        },
        Teller::Own => unreachable!(),
    };
    loses(Step::PeerAddress, (plain(), a), (plain(), twin));
}

fn upto(most: usize, relax: bool) -> Multipath {
    Multipath { most, relax }
}

fn via(number: u8, attributes: PathAttributes) -> PathAttributes {
    PathAttributes {
        next_hop: Some(NextHop::V4([10, 0, 0, number].into())),
        ..attributes
    }
}

/// Two reflectors tell the same paths: what is shared is next hops, not words.
#[test]
fn the_limit_is_about_next_hops() {
    let link_local = NextHop::V6([0xfe80, 0, 0, 0, 0, 0, 0, 1].into());
    let global = [0xfd00, 0, 0, 0, 0, 0, 0, 1].into();
    let both = NextHop::V6LinkLocal {
        global,
        link_local: [0xfe80, 0, 0, 0, 0, 0, 0, 1].into(),
    };
    let v4 = |number: u8| NextHop::V4([10, 0, 0, number].into());
    let (best, more) = (PathStatus::Best, PathStatus::Multipath);
    let lost = PathStatus::Lost(Step::MaximumPaths);
    for (hops, most, expected) in [
        ([1, 1, 2, 2].map(v4), 2, [best, more, more, more]),
        ([1, 2, 1, 3].map(v4), 2, [best, more, more, lost]),
        ([1, 2, 3, 2].map(v4), 2, [best, more, lost, more]),
        ([NextHop::V6(global); 4], 2, [best, more, more, more]),
        // On each link it is another one's.
        ([link_local; 4], 2, [best, more, lost, lost]),
        ([both; 4], 3, [best, more, more, lost]),
    ] {
        let paths = hops.map(|next_hop| PathAttributes {
            next_hop: Some(next_hop),
            ..attributes(&[65001])
        });
        let candidates: Vec<_> = (1..)
            .zip(&paths)
            .map(|(n, attributes)| Candidate {
                attributes,
                path_id: 0,
                teller: teller(n, true),
            })
            .collect();
        let decision = decide(&candidates, upto(most, true));
        assert_eq!(decision.statuses, expected, "{hops:?}");
    }
}

#[test]
fn equal_paths_share_up_to_the_limit_and_internal_ones_do_not_join_external_ones() {
    let paths = (1..=5).map(|n| via(n, attributes(&[65000 + u32::from(n), 65100])));
    let paths: Vec<_> = paths.collect();
    let candidates: Vec<_> = paths
        .iter()
        .zip([3, 1, 2, 4, 5])
        .map(|(attributes, n)| Candidate {
            attributes,
            path_id: 0,
            teller: teller(n, n != 5),
        })
        .collect();
    let decision = decide(&candidates, upto(2, true));
    assert_eq!(decision.best, Some(1));
    assert_eq!(
        decision.statuses,
        [
            PathStatus::Lost(Step::MaximumPaths),
            PathStatus::Best,
            PathStatus::Multipath,
            PathStatus::Lost(Step::MaximumPaths),
            PathStatus::Lost(Step::External),
        ]
    );
    assert_eq!(decide(&[], EIGHT), Decision::default());
}

/// Without relax only those share that have the path of the best one; the limit counts them alone.
#[test]
fn where_paths_must_be_the_same_others_lose_for_that() {
    let paths = [
        [65001, 65100],
        [65002, 65100],
        [65001, 65100],
        [65001, 65100],
    ];
    let mut number = 0;
    let paths = paths.map(|path| {
        number += 1;
        via(number, attributes(&path))
    });
    let candidates: Vec<_> = paths
        .iter()
        .zip(1..)
        .map(|(attributes, n)| Candidate {
            attributes,
            path_id: 0,
            teller: teller(n, true),
        })
        .collect();
    let statuses = |multipath| decide(&candidates, multipath).statuses;
    let (best, multipath) = (PathStatus::Best, PathStatus::Multipath);
    let lost = PathStatus::Lost;
    assert_eq!(
        statuses(upto(8, false)),
        [best, lost(Step::OtherAsPath), multipath, multipath]
    );
    assert_eq!(
        statuses(upto(2, false)),
        [
            best,
            lost(Step::OtherAsPath),
            multipath,
            lost(Step::MaximumPaths)
        ]
    );
    assert_eq!(
        statuses(upto(8, true)),
        [best, multipath, multipath, multipath]
    );
    // Where none shares, what made the other better is the reason.
    for relax in [false, true] {
        let id = lost(Step::BgpId);
        assert_eq!(statuses(upto(1, relax)), [best, id, id, id]);
        assert_eq!(statuses(upto(0, relax)), [best, id, id, id]);
    }
}

/// A path, whether an external peer told it, and with which identifier.
fn any_path() -> impl Strategy<Value = (PathAttributes, Option<bool>, u32)> {
    (
        prop::collection::vec(65001..65003_u32, 1..3),
        prop::option::of(99..102_u32),
        prop::option::of(0..3_u32),
        0..3_u8,
        prop::option::weighted(0.9, any::<bool>()),
        (prop::option::of(0..3_u8), 0..3_usize, 0..3_u32, 0..4_u8),
    )
        .prop_map(
            |(path, local_pref, med, origin, external, (originator, clusters, id, hop))| {
                let mut attributes = PathAttributes {
                    local_pref: local_pref.into(),
                    med,
                    origin: [Origin::Igp, Origin::Egp, Origin::Incomplete][usize::from(origin)],
                    ..via(hop, attributes(&path))
                };
                if external == Some(false) {
                    let rare = attributes.rare_mut();
                    rare.originator_id = originator.map(|n| [10, 255, 0, n].into());
                    rare.cluster_list = vec![[1, 1, 1, 1].into(); clusters];
                }
                (attributes, external, id)
            },
        )
}

type AnyPath = (PathAttributes, Option<bool>, u32);

/// Tellers are few, so that some tell several paths and some have one BGP Identifier.
fn candidates(paths: &[AnyPath]) -> Vec<Candidate<'_>> {
    let mut all: Vec<Candidate<'_>> = Vec::new();
    for (n, (attributes, external, path_id)) in (1..).zip(paths) {
        let teller = match external {
            None => Teller::Own,
            Some(external) => teller(n % 4, *external),
        };
        let new = Candidate {
            attributes,
            teller,
            path_id: *path_id,
        };
        // A peer tells one path with an identifier, and there is one own network.
        let same = |other: &Candidate<'_>| match (other.teller, teller) {
            (Teller::Own, Teller::Own) => true,
            (Teller::Peer { number: a, .. }, Teller::Peer { number: b, .. }) => {
                a == b && other.path_id == *path_id
            }
            _ => false,
        };
        if !all.iter().any(same) {
            all.push(new);
        }
    }
    all
}

fn by_name(candidates: &[Candidate<'_>], decision: &Decision) -> BTreeMap<String, PathStatus> {
    let names = candidates.iter();
    let names = names.map(|c| format!("{:?} {}", c.teller, c.path_id));
    names.zip(decision.statuses.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Total: one path is best, and each other one is used or has a reason. The outcome of each
    /// depends on the set of paths, not on their order (so of two, one beats the other whichever
    /// comes first). Without MEDs none depends on those that are not used.
    #[test]
    fn the_decision_depends_on_the_set_of_paths_and_not_on_its_losers(
        paths in prop::collection::vec(any_path(), 1..8),
        shuffle in any::<prop::sample::Index>(),
        most in 0..4_usize,
        relax in any::<bool>(),
    ) {
        let candidates = candidates(&paths);
        let decision = decide(&candidates, upto(most, relax));
        let statuses = by_name(&candidates, &decision);
        prop_assert_eq!(statuses.len(), candidates.len());
        let best = decision.statuses.iter().filter(|s| **s == PathStatus::Best).count();
        let used = candidates.iter().zip(&decision.statuses).filter(|(_, s)| s.is_used());
        let hops: BTreeSet<_> = used.map(|(c, _)| c.attributes.next_hop).collect();
        prop_assert_eq!(best, 1);
        prop_assert!(hops.len() <= most.max(1));
        prop_assert_eq!(decision.best.map(|best| decision.statuses[best]), Some(PathStatus::Best));
        let decided = |s: &PathStatus| s.is_used() || matches!(s, PathStatus::Lost(_));
        prop_assert!(decision.statuses.iter().all(decided));

        let mut turned = candidates.clone();
        turned.rotate_left(shuffle.index(candidates.len()));
        turned[..].reverse();
        let again = decide(&turned, upto(most, relax));
        prop_assert_eq!(&statuses, &by_name(&turned, &again));

        // A path that MED is compared with takes others of its AS out even where it loses itself to
        // one of another AS (RFC 3345): of those that come so far it is not true.
        let meds = candidates.iter().any(|c| c.attributes.med.is_some());
        for (index, status) in decision.statuses.iter().enumerate() {
            let by_med = match status {
                PathStatus::Lost(step) => Step::Med < *step,
                _ => continue,
            };
            if meds && by_med {
                continue;
            }
            let mut others = candidates.clone();
            let loser = others.remove(index);
            let without = decide(&others, upto(most, relax));
            let mut expected = statuses.clone();
            expected.remove(&format!("{:?} {}", loser.teller, loser.path_id));
            prop_assert_eq!(expected, by_name(&others, &without));
        }

        // External and internal paths never share.
        let kinds = candidates.iter().zip(&decision.statuses).filter(|(_, s)| s.is_used());
        let kinds = kinds.map(|(c, _)| matches!(c.teller, Teller::Peer { external: true, .. }));
        let kinds: Vec<bool> = kinds.collect();
        prop_assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
