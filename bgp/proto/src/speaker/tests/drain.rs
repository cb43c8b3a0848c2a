//! Taking a node out of use.

use std::time::Duration;

use super::net::Net;
use super::routing::fabric;
use super::{peer, prefix, speaker, transit};
use crate::fsm::{CauseClass, State};
use crate::iana::community::GRACEFUL_SHUTDOWN;
use crate::speaker::{Drain, DrainState, EventKind, Input, Order, PeerId, Remote, RouteStatus};

const N1: &str = "10.1.0.11";
const N2: &str = "10.2.0.12";

/// Two nodes with one anycast network, of their own AS and of the router's, which prefers
/// neither.
fn anycast(asn: u32) -> Net {
    let mut net = Net::new();
    for (id, own, tor) in [(11, N1, "10.1.0.1"), (12, N2, "10.2.0.1")] {
        let asn = if asn == 65000 {
            asn
        } else {
            asn + u32::from(id)
        };
        let mut config = speaker(asn, id, &["192.0.2.1/32"]);
        config.peers = vec![peer(tor, 65000)];
        let node = net.add(config);
        assert_eq!(own, if node == 0 { N1 } else { N2 });
    }
    let mut config = speaker(65000, 1, &["10.9.0.0/24"]);
    let of = |id| if asn == 65000 { asn } else { asn + id };
    config.peers = vec![transit(N1, of(11)), transit(N2, of(12))];
    let tor = net.add(config);
    net.link((0, N1), (tor, "10.1.0.1"));
    net.link((1, N2), (tor, "10.2.0.1"));
    net.start_all();
    net.run_secs(10);
    assert_eq!(net.fib(tor), ["192.0.2.1/32 via 10.1.0.11 10.2.0.12"]);
    net
}

fn drain(net: &mut Net, node: usize, step: Drain) {
    net.input(node, Input::Drain(step));
    net.run(Duration::from_millis(50));
}

fn from(net: &Net, node: usize, peer: u32) -> RouteStatus {
    let mut routes = net.speaker(node).routes();
    routes
        .find(|route| route.peer == Some(PeerId(peer)))
        .unwrap()
}

fn is_marked(route: &RouteStatus) -> bool {
    route.attributes.has_community(GRACEFUL_SHUTDOWN)
}

#[test]
fn what_is_announced_carries_the_community_and_is_there_until_the_end() {
    let mut net = anycast(65000);
    assert!(net.unready(0).is_empty());
    net.input(0, Input::Drain(Drain::Announce));
    let unready = net.unready(0);
    assert!(unready.is_empty(), "handed over at once here");
    net.run(Duration::from_millis(50));
    assert_eq!(net.status(0).drain, DrainState::Announcing);
    // Nobody prefers it any more, and it is still there.
    assert!(is_marked(&from(&net, 2, 0)));
    assert_eq!(from(&net, 2, 0).attributes.local_pref, Some(0));
    assert_eq!(net.fib(2), ["192.0.2.1/32 via 10.2.0.12"]);
    assert_eq!(net.state(0, 0), State::Established);
    assert_eq!(net.fib(0), ["10.9.0.0/24 via 10.1.0.1"]);
    let log = net.nodes[2].fib_log.len();

    drain(&mut net, 0, Drain::Close("rack 7 moves".to_owned()));
    assert_eq!(net.status(0).drain, DrainState::Closed);
    let error = net.peer(2, 0).last_error.unwrap();
    assert_eq!(error.class, CauseClass::AdminShutdown);
    assert!(error.text.contains("Hard Reset"), "{error}");
    assert!(error.text.ends_with("\"rack 7 moves\""), "{error}");
    assert_eq!(
        net.nodes[2].fib_log.len(),
        log,
        "nothing went that was in use"
    );
    assert_eq!(net.peer(2, 0).prefixes.received, 0);
    assert!(
        net.fib(0).is_empty(),
        "who hears no more changes keeps nothing"
    );
    net.run_secs(300);
    assert_eq!(net.peer(2, 0).established_count, 1);
    let refused = |event: &EventKind| matches!(event, EventKind::Refused(_));
    assert!(
        !net.nodes[0].events.iter().any(refused),
        "peers are expected"
    );

    drain(&mut net, 0, Drain::Off);
    net.run_secs(70);
    assert!(!is_marked(&from(&net, 2, 0)));
    assert_eq!(net.fib(2), ["192.0.2.1/32 via 10.1.0.11 10.2.0.12"]);
    assert_eq!(net.fib(0), ["10.9.0.0/24 via 10.1.0.1"]);
}

#[test]
fn external_peers_get_the_community_and_no_local_pref() {
    let mut net = anycast(65100);
    drain(&mut net, 0, Drain::Announce);
    let route = from(&net, 2, 0);
    assert!(is_marked(&route));
    assert_eq!(route.attributes.received().local_pref, None);
    assert_eq!(route.attributes.local_pref, Some(0), "RFC 8326 §4.2");
    // Once more is no news.
    let sent = net.nodes[0].sent;
    drain(&mut net, 0, Drain::Announce);
    assert_eq!(net.nodes[0].sent, sent);
    drain(&mut net, 0, Drain::Off);
    assert!(!is_marked(&from(&net, 2, 0)));
    assert_eq!(net.peer(0, 0).established_count, 1);
}

/// What is passed on, too, and who comes only now.
#[test]
fn everybody_is_told_of_everything() {
    let mut net = fabric();
    net.start(0);
    net.start(1);
    net.run_secs(10);
    drain(&mut net, 1, Drain::Announce);
    net.start(2);
    net.run_secs(10);
    let learned = from(&net, 2, 0);
    assert_eq!(learned.prefix, prefix("0.0.0.0/0"));
    let routes: Vec<_> = net
        .speaker(2)
        .routes()
        .filter(|r| r.peer.is_some())
        .collect();
    assert_eq!(routes.len(), 2);
    assert!(routes.iter().all(is_marked));
}

#[test]
fn a_speaker_that_was_closed_starts_closed_and_keeps_no_route() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    drain(&mut net, 0, Drain::Close(String::new()));
    assert!(net.fib(0).is_empty());
    net.kill(0);
    net.restart(0);
    // As the daemon does it: before anything else, but here `restart` has said `Start` already.
    drain(&mut net, 0, Drain::Close(String::new()));
    net.run_secs(30);
    assert_ne!(net.state(1, 0), State::Established);
}

#[test]
fn closed_before_the_start_nobody_is_dialled_and_what_was_adopted_goes_at_once() {
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.restarting = true;
    config.peers = vec![peer("10.0.0.2", 65002)];
    let now = std::time::Instant::now();
    let mut speaker = crate::speaker::Speaker::new(config, now);
    speaker.handle(Input::Drain(Drain::Close(String::new())), now);
    speaker.handle(Input::Start, now);
    let outputs: Vec<_> = std::iter::from_fn(|| speaker.poll_output()).collect();
    assert!(
        outputs.contains(&crate::speaker::Output::FibSynced),
        "{outputs:?}"
    );
    let dials =
        |output: &crate::speaker::Output| matches!(output, crate::speaker::Output::Dial { .. });
    assert!(!outputs.iter().any(dials));
    // An order to one peer does not bring it back, but is not forgotten either.
    for order in [Order::Shutdown(String::new()), Order::Start] {
        let peer = PeerId(0);
        speaker.handle(Input::Order { peer, order }, now);
    }
    speaker.handle(Input::Tick, now + Duration::from_secs(600));
    assert!(speaker.poll_timeout().is_none());
    while speaker.poll_output().is_some() {}
    speaker.handle(Input::Drain(Drain::Off), now);
    assert!(std::iter::from_fn(|| speaker.poll_output()).any(|output| dials(&output)));
}

#[test]
fn who_is_shut_down_stays_so_through_a_drain() {
    let mut net = anycast(65000);
    let peer = PeerId(0);
    net.input(
        0,
        Input::Order {
            peer,
            order: Order::Shutdown(String::new()),
        },
    );
    drain(&mut net, 0, Drain::Announce);
    drain(&mut net, 0, Drain::Close(String::new()));
    drain(&mut net, 0, Drain::Off);
    net.run_secs(100);
    assert_ne!(net.state(0, 0), State::Established);
    net.input(
        0,
        Input::Order {
            peer,
            order: Order::Start,
        },
    );
    net.run_secs(70);
    assert_eq!(net.state(0, 0), State::Established);
}

/// In the middle of its own restart: what was found in the kernel goes, too.
#[test]
fn a_close_ends_the_wait_after_a_restart() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    net.kill(0);
    net.kill(1);
    net.restart(0);
    net.run_secs(1);
    assert!(net.nodes[0].synced.is_empty());
    drain(&mut net, 0, Drain::Close(String::new()));
    assert_eq!(net.nodes[0].synced.len(), 1);
}

/// Peers that were only waited for are not waited for any more.
#[test]
fn a_close_takes_out_what_was_kept_as_stale() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    net.kill(0);
    net.run_secs(1);
    assert_eq!(net.peer(1, 0).prefixes.stale, 1);
    drain(&mut net, 1, Drain::Close(String::new()));
    assert_eq!(net.peer(1, 0).prefixes.received, 0);
    assert!(net.fib(1).is_empty());
}

fn is_returning(net: &Net, node: usize) -> bool {
    matches!(net.status(node).drain, DrainState::Returning(_))
}

fn returned(net: &Net, node: usize) -> Vec<(Vec<String>, bool)> {
    let events = net.nodes[node].events.iter();
    let events = events.filter_map(|event| match event {
        EventKind::Returned { missing, installed } => Some((missing.clone(), *installed)),
        _ => None,
    });
    events.collect()
}

/// A node that is out of use, and begins to come back now.
fn coming_back() -> Net {
    let mut net = anycast(65100);
    drain(&mut net, 0, Drain::Announce);
    drain(&mut net, 0, Drain::Close(String::new()));
    assert!(net.fib(0).is_empty());
    net
}

/// Runs until the peer has the node's network again, and says whether it is marked.
fn until_announced(net: &mut Net) -> bool {
    for _ in 0..7000 {
        net.run(Duration::from_millis(10));
        let mut routes = net.speaker(2).routes();
        if let Some(route) = routes.find(|route| route.peer == Some(PeerId(0))) {
            return is_marked(&route);
        }
    }
    panic!("never announced");
}

/// Whoever sends to it as soon as it is announced must get an answer.
#[test]
fn who_comes_back_is_the_last_resort_until_the_kernel_has_what_peers_told() {
    let mut net = coming_back();
    net.nodes[0].stuck = true;
    net.input(0, Input::Drain(Drain::Off));
    assert!(is_returning(&net, 0));
    assert_eq!(net.unready(0).len(), 1);
    assert!(until_announced(&mut net));
    net.run_secs(5);
    // All was told, but the kernel has not said that it has it.
    assert!(net.unready(0).is_empty());
    assert!(is_returning(&net, 0));
    assert!(is_marked(&from(&net, 2, 0)));
    assert_eq!(net.fib(2), ["192.0.2.1/32 via 10.2.0.12"]);
    net.input(0, Input::Settled);
    net.run(Duration::from_millis(50));
    assert_eq!(net.status(0).drain, DrainState::Off);
    assert!(!is_marked(&from(&net, 2, 0)));
    assert_eq!(net.fib(2), ["192.0.2.1/32 via 10.1.0.11 10.2.0.12"]);
    assert_eq!(returned(&net, 0), [(vec![], true)]);
    assert_eq!(net.peer(2, 0).established_count, 2, "the same session");
}

#[test]
fn a_kernel_that_never_says_so_is_not_waited_for_for_ever() {
    let mut net = coming_back();
    net.nodes[0].stuck = true;
    net.input(0, Input::Drain(Drain::Off));
    until_announced(&mut net);
    net.run_secs(25);
    assert!(is_returning(&net, 0));
    net.run_secs(10);
    assert_eq!(returned(&net, 0), [(vec![], false)]);
    assert!(!is_marked(&from(&net, 2, 0)));
    // Too late.
    net.input(0, Input::Settled);
    assert_eq!(returned(&net, 0).len(), 1);
}

#[test]
fn a_peer_that_is_down_is_waited_for_as_long_as_after_a_restart() {
    let mut net = coming_back();
    // Another peer of the node, which nobody ever hears.
    net.reconfigure(0, |config| config.peers.push(peer("10.9.9.9", 65009)));
    net.input(0, Input::Drain(Drain::Off));
    assert!(until_announced(&mut net));
    net.run_secs(5);
    assert!(is_returning(&net, 0));
    assert_eq!(net.unready(0).len(), 1);
    net.run_secs(60);
    assert!(!is_marked(&from(&net, 2, 0)));
    let said = returned(&net, 0);
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].0.len(), said[0].1), (1, true));
}

/// Nobody knows who else will come from a range.
#[test]
fn a_range_is_waited_for_and_named() {
    let mut net = coming_back();
    net.reconfigure(0, |config| {
        let mut others = peer("10.7.0.0", 65007);
        others.name = "others".to_owned();
        others.remote = Remote::Range {
            network: prefix("10.7.0.0/16"),
            limit: 10,
        };
        config.peers.push(others);
    });
    net.input(0, Input::Drain(Drain::Off));
    assert!(until_announced(&mut net));
    net.run_secs(1);
    assert_eq!(net.unready(0), ["others"]);
    net.run_secs(20);
    assert_eq!(returned(&net, 0), [(vec![], true)]);
}

/// Who is shut down by an order is not waited for.
#[test]
fn who_is_shut_down_keeps_nobody_waiting() {
    let mut net = coming_back();
    net.reconfigure(0, |config| config.peers.push(peer("10.9.9.9", 65009)));
    let order = Order::Shutdown(String::new());
    let peer = PeerId(1);
    net.input(0, Input::Order { peer, order });
    net.input(0, Input::Drain(Drain::Off));
    until_announced(&mut net);
    net.run_secs(1);
    assert_eq!(returned(&net, 0), [(vec![], true)]);
}

/// Neither tells the other anything before it has heard all of it.
#[test]
fn two_that_come_back_at_once_do_not_wait_for_each_other() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    for node in [0, 1] {
        drain(&mut net, node, Drain::Close(String::new()));
    }
    for node in [0, 1] {
        net.input(node, Input::Drain(Drain::Off));
    }
    let begun = Duration::from_secs(70);
    net.run(begun);
    for node in [0, 1] {
        assert_eq!(returned(&net, node), [(vec![], true)]);
    }
    assert!(!net.fib(0).is_empty() && !net.fib(1).is_empty());
}

#[test]
fn a_return_can_be_given_up_and_begun_again() {
    let mut net = coming_back();
    net.nodes[0].stuck = true;
    net.input(0, Input::Drain(Drain::Off));
    until_announced(&mut net);
    drain(&mut net, 0, Drain::Announce);
    assert_eq!(net.status(0).drain, DrainState::Announcing);
    drain(&mut net, 0, Drain::Close(String::new()));
    assert!(net.fib(0).is_empty());
    // The answer of before is none to what is waited for now.
    net.input(0, Input::Drain(Drain::Off));
    net.input(0, Input::Settled);
    assert!(is_returning(&net, 0));
    net.nodes[0].stuck = false;
    until_announced(&mut net);
    net.run_secs(1);
    assert_eq!(returned(&net, 0), [(vec![], true)]);
}

/// The daemon starts, and was told before that the node comes back.
#[test]
fn a_start_can_be_the_way_back() {
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.peers = vec![peer("10.0.0.2", 65002)];
    let now = std::time::Instant::now();
    let mut speaker = crate::speaker::Speaker::new(config, now);
    speaker.handle(Input::Drain(Drain::Close(String::new())), now);
    speaker.handle(Input::Drain(Drain::Off), now);
    assert!(speaker.poll_timeout().is_none());
    speaker.handle(Input::Start, now);
    assert!(matches!(speaker.drain_state(), DrainState::Returning(_)));
    assert!(speaker.poll_timeout().is_some());
}
