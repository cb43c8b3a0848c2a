//! Both ends, with a way between them that loses, delays and reorders.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

const ID: SessionId = SessionId(1);

/// Two speakers and the packets on the way.
struct Net {
    ends: [Sessions; 2],
    /// By arrival; to which end.
    way: BTreeMap<(Instant, u64), (usize, [u8; LEN])>,
    sent: u64,
    now: Instant,
    rng: SmallRng,
    /// Of a hundred packets, how many are lost; from each end.
    loss: [u32; 2],
    /// At most, one way.
    delay: Duration,
    news: [Vec<News>; 2],
}

fn address(end: usize) -> IpAddr {
    [[10, 0, 1, 1], [10, 0, 1, 2]][end].into()
}

impl Net {
    fn new(profiles: [Profile; 2], seed: u64) -> Self {
        let now = Instant::now();
        let mut ends = [Sessions::new(seed), Sessions::new(seed + 1)];
        for (end, profile) in profiles.into_iter().enumerate() {
            let key = Key {
                peer: address(1 - end),
                interface: 0,
            };
            let hops = Hops::Only(Hop::Single);
            assert!(ends[end].add(
                ID,
                Wanted {
                    key,
                    hops,
                    over: None,
                    profile
                },
                now
            ));
        }
        Self {
            ends,
            way: BTreeMap::new(),
            sent: 0,
            now,
            rng: SmallRng::seed_from_u64(seed),
            loss: [0; 2],
            delay: ms(1),
            news: [vec![], vec![]],
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let arrival = self.way.keys().next().map(|(at, _)| *at);
            let timers = self.ends.iter().filter_map(Sessions::next_timeout);
            let Some(next) = timers.chain(arrival).min().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = until;
    }

    fn step(&mut self) {
        while let Some(entry) = self.way.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (end, octets) = entry.remove();
            let meta = Meta {
                from: address(1 - end),
                interface: 1,
                ttl: Some(255),
                hop: Hop::Single,
            };
            self.ends[end].receive(&octets, &meta, self.now);
        }
        for end in 0..2 {
            while let Some(sent) = self.ends[end].poll_transmit(self.now) {
                if self.rng.random_range(0..100) >= self.loss[end] {
                    let delay = self.delay.mul_f64(self.rng.random_range(0.0..1.0));
                    self.sent += 1;
                    let at = (self.now + delay, self.sent);
                    self.way.insert(at, (1 - end, sent.octets));
                }
            }
            while let Some(event) = self.ends[end].poll_event() {
                self.news[end].push(event.news);
            }
        }
    }

    fn status(&self, end: usize) -> SessionStatus {
        self.ends[end].status().next().unwrap().1
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|end| self.status(end).state)
    }

    fn downs(&self) -> [u64; 2] {
        [0, 1].map(|end| self.status(end).counts.downs)
    }
}

#[test]
fn they_come_up_within_two_seconds_and_agree() {
    for seed in 0..50 {
        let mut net = Net::new([profile(50, 100, 3), profile(300, 20, 5)], seed);
        net.run(ms(2000));
        assert_eq!(net.states(), [State::Up; 2], "seed {seed}");
        net.run(ms(3000));
        let [a, b] = [0, 1].map(|end| net.status(end).intervals);
        assert_eq!((a.transmit, b.receive), (Some(ms(50)), ms(50)));
        assert_eq!((b.transmit, a.receive), (Some(ms(300)), ms(300)));
        assert_eq!((a.detection, b.detection), (Some(ms(1500)), Some(ms(150))));
        assert_eq!(net.downs(), [0, 0]);
    }
}

#[test]
fn silence_is_noticed_within_the_detection_time_of_each() {
    let mut net = Net::new([profile(50, 50, 3); 2], 1);
    net.run(ms(5000));
    net.loss = [100, 100];
    // All that was sent before has come after this.
    net.run(ms(1));
    net.run(ms(98));
    assert_eq!(net.downs(), [0, 0]);
    net.run(ms(52));
    assert_eq!(net.downs(), [1, 1]);
    for end in 0..2 {
        let Some(News::Down(down)) = net.news[end].last() else {
            panic!("{:?}", net.news)
        };
        let Why::Expired(silence) = down.why else {
            panic!("{down:?}")
        };
        assert!((ms(150)..ms(160)).contains(&silence), "{silence:?}");
    }
    net.loss = [0, 0];
    net.run(ms(2500));
    assert_eq!(net.states(), [State::Up; 2]);
}

#[test]
fn a_way_that_fails_in_one_direction_is_down_for_both() {
    let mut net = Net::new([profile(50, 50, 3); 2], 1);
    net.run(ms(5000));
    net.loss = [100, 0];
    net.run(ms(170));
    assert_eq!(net.downs(), [1, 1]);
    let whys = [0, 1].map(|end| match net.news[end].last() {
        Some(News::Down(down)) => down.why,
        other => panic!("{other:?}"),
    });
    assert_eq!(whys[0], Why::Signalled(Diagnostic::EXPIRED));
    assert!(matches!(whys[1], Why::Expired(_)));
    net.run(ms(60_000));
    assert_eq!(net.downs(), [1, 1]);
    assert_ne!(net.states(), [State::Up; 2]);
}

#[test]
fn two_lost_packets_in_a_row_are_nothing() {
    let mut net = Net::new([profile(50, 50, 3); 2], 3);
    net.run(ms(5000));
    for _ in 0..100 {
        net.loss = [100, 100];
        net.run(ms(70));
        net.loss = [0, 0];
        net.run(ms(85));
    }
    assert_eq!(net.downs(), [0, 0]);
}

#[test]
fn times_change_while_it_is_up_on_either_side_and_on_both_at_once() {
    let mut net = Net::new([profile(300, 300, 3); 2], 4);
    net.delay = ms(30);
    net.run(ms(5000));
    let times = [20, 50, 1000, 300, 2000, 10];
    for (index, (a, b)) in times.into_iter().zip(times.into_iter().rev()).enumerate() {
        let now = net.now;
        net.ends[0].change(ID, profile(a, b, 3), None, now);
        if index % 2 == 0 {
            net.ends[1].change(ID, profile(b, a, 4), None, now);
        }
        net.run(ms(15_000));
        assert_eq!(net.states(), [State::Up; 2]);
        assert_eq!(net.downs(), [0, 0], "{a} {b}");
        let [one, two] = [0, 1].map(|end| net.status(end));
        assert_eq!(one.intervals.transmit, Some(two.intervals.receive));
        assert_eq!(two.intervals.transmit, Some(one.intervals.receive));
        assert_eq!(one.profile.transmit, ms(a));
    }
}

#[test]
fn one_that_is_started_again_is_taken_for_that() {
    let mut net = Net::new([profile(300, 300, 3); 2], 5);
    net.run(ms(5000));
    // Within the detection time.
    let again = Net::new([profile(300, 300, 3); 2], 99);
    let [_, fresh] = again.ends;
    net.ends[1] = fresh;
    net.run(ms(100));
    let whys = net.news[0].iter().filter_map(|news| match news {
        News::Down(down) => Some(down.why),
        _ => None,
    });
    assert_eq!(whys.collect::<Vec<_>>(), [Why::Anew]);
    net.run(ms(2500));
    assert_eq!(net.states(), [State::Up; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is lost, late or overtaken, and whatever is configured meanwhile: when the way is good
    /// again they come up and agree.
    #[test]
    fn they_always_find_each_other(
        seed in any::<u32>(),
        changes in proptest::collection::vec(
            (0_usize..2, 10_u64..2000, 10_u64..2000, 1_u8..6, 0_u32..=100, 0_u32..=100, 1_u64..200),
            0..12,
        ),
    ) {
        let mut net = Net::new([profile(100, 100, 3); 2], seed.into());
        for (end, transmit, receive, multiplier, a, b, delay) in changes {
            let now = net.now;
            net.ends[end].change(ID, profile(transmit, receive, multiplier), None, now);
            net.loss = [a, b];
            net.delay = ms(delay);
            net.run(ms(1700));
        }
        net.loss = [0, 0];
        net.delay = ms(5);
        net.run(ms(60_000));
        prop_assert_eq!(net.states(), [State::Up; 2]);
        let [one, two] = [0, 1].map(|end| net.status(end));
        prop_assert_eq!(one.intervals.transmit, Some(two.intervals.receive));
        prop_assert_eq!(two.intervals.transmit, Some(one.intervals.receive));
        let before = net.downs();
        net.run(ms(60_000));
        prop_assert_eq!(net.downs(), before);
    }
}
