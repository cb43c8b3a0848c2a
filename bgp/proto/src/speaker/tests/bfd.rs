//! What BFD says of the way to a peer, and what the speaker does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::solo::{PEER, open};
use super::{peer, prefix, speaker, transit};
use crate::bfd::{Diagnostic, Down, News, Profile, Why};
use crate::fsm::{CauseClass, State};
use crate::message;
use crate::speaker::{
    Input, Order, Output, PeerConfig, PeerId, Remote, Speaker, SpeakerConfig, StopMode, Timers,
    Watch,
};

const TOR: PeerId = PeerId(0);

/// A speaker and what it has asked for.
struct Watched {
    speaker: Speaker,
    now: Instant,
    outputs: Vec<Output>,
    watched: BTreeMap<PeerId, Watch>,
}

fn watched_by(config: PeerConfig) -> PeerConfig {
    PeerConfig {
        timers: Timers {
            bfd: Some(Profile::default()),
            ..config.timers
        },
        ..config
    }
}

fn config(peer: PeerConfig) -> SpeakerConfig {
    let mut config = speaker(65001, 1, &["10.244.1.0/24"]);
    config.peers = vec![watched_by(peer)];
    config
}

fn down(why: Why) -> News {
    News::Down(Down {
        why,
        up_for: Duration::from_secs(12),
        independent: false,
    })
}

const SILENCE: Why = Why::Expired(Duration::from_millis(900));

impl Watched {
    fn new(config: SpeakerConfig) -> Self {
        let now = Instant::now();
        let mut watched = Self {
            speaker: Speaker::new(config, now),
            now,
            outputs: Vec::new(),
            watched: BTreeMap::new(),
        };
        watched.input(Input::Start);
        watched
    }

    fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input, self.now);
        while let Some(output) = self.speaker.poll_output() {
            if let Output::Watch { peer, watch } = &output {
                match watch {
                    Some(watch) => self.watched.insert(*peer, *watch),
                    None => self.watched.remove(peer),
                };
            }
            self.outputs.push(output);
        }
    }

    fn bfd(&mut self, news: News) {
        self.input(Input::Bfd { peer: TOR, news });
    }

    /// Not at once: the peer may.
    fn dials_soon(&mut self) -> bool {
        let waited = self.dials_after(Duration::from_secs(1));
        let soon = Duration::from_millis(375)..=Duration::from_millis(500);
        waited.is_some_and(|waited| soon.contains(&waited))
    }

    /// How long until it dials.
    fn dials_after(&mut self, at_most: Duration) -> Option<Duration> {
        let begun = self.now;
        loop {
            let dials = |output: &Output| matches!(output, Output::Dial { .. });
            if self.outputs.iter().any(dials) {
                return Some(self.now - begun);
            }
            let next = self.speaker.poll_timeout()?;
            if next > begun + at_most {
                self.now = begun + at_most;
                return None;
            }
            self.now = next;
            self.input(Input::Tick);
        }
    }

    /// The peer dials and says its part.
    fn accept(&mut self) {
        let conn = self.speaker.new_conn();
        let local = "10.0.0.1:179".parse().unwrap();
        let remote = format!("{PEER}:4000").parse().unwrap();
        self.input(Input::Accepted {
            conn,
            local,
            remote,
        });
        for bytes in [&open(65002, 90)[..], &message::keepalive()[..]] {
            self.input(Input::Received { conn, bytes });
        }
    }

    fn state(&self) -> State {
        self.speaker.status(self.now).peers[0].state
    }

    fn class(&self) -> Option<CauseClass> {
        let status = self.speaker.status(self.now);
        Some(status.peers[0].last_error.as_ref()?.class)
    }

    fn lost(&self) -> bool {
        let lost = |output: &Output| matches!(output, Output::Lost { .. });
        self.outputs.iter().any(lost)
    }
}

fn passive() -> PeerConfig {
    PeerConfig {
        passive: true,
        ..transit(PEER, 65002)
    }
}

#[test]
fn nothing_is_dialled_before_the_way_is_there() {
    let mut watched = Watched::new(config(peer(PEER, 65002)));
    assert_eq!(watched.watched[&TOR].address, super::ip(PEER));
    assert_eq!(watched.dials_after(Duration::from_millis(1500)), None);
    watched.bfd(News::Up);
    assert!(watched.dials_soon());
    // Nobody answers: three seconds.
    let mut watched = Watched::new(config(peer(PEER, 65002)));
    let waited = watched.dials_after(Duration::from_secs(60));
    assert_eq!(waited, Some(Duration::from_secs(3)));
    // Somebody does, and it does not come up: ten.
    let mut watched = Watched::new(config(peer(PEER, 65002)));
    watched.bfd(News::Heard);
    let waited = watched.dials_after(Duration::from_secs(60));
    assert_eq!(waited, Some(Duration::from_secs(10)));
    // The peer does not want it.
    let mut watched = Watched::new(config(peer(PEER, 65002)));
    watched.bfd(News::PeerOff);
    assert!(watched.dials_soon());
}

#[test]
fn who_comes_waits_for_the_keepalive() {
    let mut watched = Watched::new(config(passive()));
    watched.accept();
    assert_eq!(watched.state(), State::OpenConfirm);
    watched.bfd(News::Heard);
    assert_eq!(watched.state(), State::OpenConfirm);
    watched.bfd(News::Up);
    assert_eq!(watched.state(), State::Established);
    // Or until the bound.
    let mut watched = Watched::new(config(passive()));
    watched.accept();
    watched.now += Duration::from_secs(3);
    watched.input(Input::Tick);
    assert_eq!(watched.state(), State::Established);
}

#[test]
fn down_ends_the_session_and_the_neighbour_is_lost_at_once() {
    for why in [SILENCE, Why::Signalled(Diagnostic::EXPIRED)] {
        let mut watched = Watched::new(config(passive()));
        watched.bfd(News::Up);
        watched.accept();
        watched.bfd(down(why));
        assert!(watched.state() < State::OpenSent, "{}", watched.state());
        assert_eq!(watched.class(), Some(CauseClass::BfdDown));
        assert!(watched.lost());
        let status = watched.speaker.status(watched.now);
        let error = status.peers[0].last_error.clone().unwrap();
        assert!(error.text.contains("it was up for 12.0 s"), "{error}");
        // Still watched: it says when to dial again.
        assert!(watched.watched.contains_key(&TOR));
    }
}

#[test]
fn what_is_no_failure_ends_no_session() {
    for news in [
        down(Why::AdminDown),
        down(Why::Anew),
        News::PeerOff,
        News::Heard,
    ] {
        let mut watched = Watched::new(config(passive()));
        watched.bfd(News::Up);
        watched.accept();
        watched.bfd(news);
        watched.now += Duration::from_secs(20);
        assert_eq!(watched.state(), State::Established, "{news}");
        assert!(!watched.lost());
    }
}

#[test]
fn a_dial_on_a_way_that_is_gone_is_given_up() {
    let mut watched = Watched::new(config(peer(PEER, 65002)));
    watched.bfd(News::Up);
    assert!(watched.dials_soon());
    watched.outputs.clear();
    watched.bfd(down(SILENCE));
    let closed = |output: &Output| matches!(output, Output::Close { .. });
    assert!(watched.outputs.iter().any(closed));
    assert_eq!(watched.dials_after(Duration::from_secs(2)), None);
    watched.bfd(News::Up);
    assert!(watched.dials_soon());
}

#[test]
fn who_is_watched() {
    let mut watched = Watched::new(config(passive()));
    let order = |order| Input::Order { peer: TOR, order };
    watched.input(order(Order::Shutdown(String::new())));
    assert!(watched.watched.is_empty());
    watched.input(order(Order::Start));
    assert!(watched.watched.contains_key(&TOR));
    watched.input(Input::Stop(StopMode::Restart));
    assert!(watched.watched.is_empty());
    watched.input(Input::Start);
    assert!(watched.watched.contains_key(&TOR));
    // Other times and none at all: the session stays.
    watched.bfd(News::Up);
    watched.accept();
    let mut other = config(passive());
    let profile = Profile {
        multiplier: 7,
        ..Profile::default()
    };
    other.peers[0].timers.bfd = Some(profile);
    let reconfigure = |config: &SpeakerConfig| Input::Reconfigure {
        config: Box::new(config.clone()),
        sockets: std::collections::BTreeSet::new(),
    };
    watched.input(reconfigure(&other));
    assert_eq!(watched.watched[&TOR].profile.multiplier, 7);
    other.peers[0].timers.bfd = None;
    watched.input(reconfigure(&other));
    assert!(watched.watched.is_empty());
    // What comes late is of no session.
    watched.bfd(down(SILENCE));
    assert_eq!(watched.state(), State::Established);
    other.peers.clear();
    watched.input(reconfigure(&other));
    assert!(watched.watched.is_empty());
}

#[test]
fn out_of_a_range_from_the_open_on() {
    let range = PeerConfig {
        remote: Remote::Range {
            network: prefix("10.0.0.0/24"),
            limit: 3,
        },
        passive: true,
        ..transit(PEER, 65002)
    };
    let mut watched = Watched::new(config(range));
    assert!(watched.watched.is_empty());
    watched.accept();
    let (id, watch) = watched
        .watched
        .iter()
        .next()
        .map(|(id, it)| (*id, *it))
        .unwrap();
    assert_eq!(watch.address, super::ip(PEER));
    let state = |watched: &Watched| watched.speaker.status(watched.now).peers[0].state;
    // It is not confirmed before BFD is up: its own session of before goes down first.
    assert_eq!(state(&watched), State::OpenConfirm);
    watched.input(Input::Bfd {
        peer: id,
        news: News::Up,
    });
    assert_eq!(state(&watched), State::Established);
    watched.input(Input::Bfd {
        peer: id,
        news: down(SILENCE),
    });
    assert!(
        watched.watched.is_empty(),
        "it is gone: {:?}",
        watched.watched
    );
}
