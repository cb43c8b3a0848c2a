//! A steady stream of numbered packets, and which of them did not arrive.
//!
//! ```text
//! send:    packet N leaves at start + N / rate, of one of several ports in turn   ->  "start NS rate R"
//! receive: a number is missing when so many later ones have arrived               ->  "lost A B", "at N", "late N"
//! ```
//!
//! Times are of CLOCK_MONOTONIC, in nanoseconds: sender, receiver and whoever makes things fail are on one
//! machine. What is written is read while it grows.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Octets of a packet's number.
const NUMBER: usize = 8;
/// A number is missing when one that is so much higher has arrived, and that was sent second(s) later.
const SLACK: u64 = 1_000;

/// Now, in nanoseconds since the machine's start.
///
/// # Errors
/// The kernel's.
pub fn now() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u64::try_from(Duration::from(now).as_nanos())?)
}

/// Sends `rate` packets a second until the process is ended, from `flows` ports in turn.
///
/// # Errors
/// No socket, or nobody to tell.
pub fn send(to: SocketAddr, rate: u32, flows: u16, out: &mut impl Write) -> Result<()> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let sockets: Vec<UdpSocket> = (0..flows)
        .map(|_| UdpSocket::bind(any))
        .collect::<std::io::Result<_>>()
        .context("sockets to send from")?;
    let start = now()?;
    writeln!(out, "start {start} rate {rate}")?;
    out.flush()?;
    for (number, socket) in (0_u64..).zip(sockets.iter().cycle()) {
        let due = Duration::from_nanos(start + number * 1_000_000_000 / u64::from(rate));
        let flags = ClockNanosleepFlags::TIMER_ABSTIME;
        clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &due.into())?;
        // No route, no room: then it is one of those that do not arrive.
        let _ = socket.send_to(&number.to_be_bytes(), to);
    }
    Ok(())
}

/// Tells which numbers do not arrive, until the process is ended.
///
/// # Errors
/// The address cannot be listened on, or nobody to tell.
pub fn receive(listen: SocketAddr, out: &mut impl Write) -> Result<()> {
    let socket = UdpSocket::bind(listen).with_context(|| format!("listening on {listen}"))?;
    let mut missing = Missing::default();
    let mut packet = [0; NUMBER];
    loop {
        let (length, _) = socket.recv_from(&mut packet)?;
        if length == NUMBER {
            missing.arrived(u64::from_be_bytes(packet), out)?;
            out.flush()?;
        }
    }
}

/// Numbers below `judged` have arrived or have been told.
#[derive(Default)]
struct Missing {
    judged: u64,
    /// Those from `judged` on.
    early: BTreeSet<u64>,
    /// The first that is missing, up to `judged`.
    since: Option<u64>,
}

impl Missing {
    fn arrived(&mut self, number: u64, out: &mut impl Write) -> Result<()> {
        if number < self.judged {
            // It was told as lost, and stays so: whoever waited for it has given up. It has waited for the
            // address of a neighbour whose link came back.
            writeln!(out, "late {number}")?;
            return Ok(());
        }
        self.early.insert(number);
        while let Some(&last) = self.early.last() {
            if last < self.judged + SLACK {
                break;
            }
            if self.early.remove(&self.judged) {
                if let Some(first) = self.since.take() {
                    writeln!(out, "lost {first} {}", self.judged - 1)?;
                }
            } else {
                self.since.get_or_insert(self.judged);
            }
            self.judged += 1;
            if self.judged.is_multiple_of(100) && self.since.is_none() {
                writeln!(out, "at {}", self.judged)?;
            }
        }
        Ok(())
    }
}

/// What a [`send`] and a [`receive`] have told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    start: u64,
    rate: u64,
    /// Ranges that are missing, inclusive.
    lost: Vec<(u64, u64)>,
    judged: u64,
}

impl Told {
    /// From what the two have written so far; the last lines may be half written.
    ///
    /// # Errors
    /// The sender has not begun.
    pub fn read(sender: &str, receiver: &str) -> Result<Self> {
        let mut told = Self::default();
        let line = sender.lines().find(|line| line.starts_with("start "));
        let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
        let [_, start, _, rate] = words[..] else {
            bail!("the sender has not begun: {sender:?}");
        };
        (told.start, told.rate) = (start.parse()?, rate.parse()?);
        let whole = receiver.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["lost", first, last] => told.lost.push((first.parse()?, last.parse()?)),
                ["at", judged] => told.judged = judged.parse()?,
                // Lost, and told as such before.
                ["late", _] => {}
                _ => bail!("the receiver says {line:?}"),
            }
        }
        Ok(told)
    }

    fn number_at(&self, time: u64) -> u64 {
        let since = u128::from(time.saturating_sub(self.start));
        let number = since * u128::from(self.rate) / 1_000_000_000;
        u64::try_from(number).unwrap_or(u64::MAX)
    }

    /// How many packets that were sent between two times did not arrive; none while that is not known.
    #[must_use]
    pub fn lost_between(&self, from: u64, to: u64) -> Option<u64> {
        let (from, to) = (self.number_at(from), self.number_at(to));
        if self.judged < to {
            return None;
        }
        let within = |(first, last): &(u64, u64)| {
            let (first, last) = ((*first).max(from), (*last).min(to));
            (last + 1).saturating_sub(first)
        };
        Some(self.lost.iter().map(within).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(numbers: impl IntoIterator<Item = u64>) -> String {
        let (mut missing, mut out) = (Missing::default(), Vec::new());
        for number in numbers {
            missing.arrived(number, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_missing_is_told_and_what_is_out_of_order_is_not() {
        let mut numbers: Vec<u64> = (0..3_000).filter(|n| !(150..160).contains(n)).collect();
        numbers.swap(20, 25);
        let said = told(numbers);
        let lost: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("lost"))
            .collect();
        assert_eq!(lost, ["lost 150 159"]);
        assert!(said.ends_with("at 2000\n"), "{said}");
    }

    #[test]
    fn what_comes_a_second_late_is_lost() {
        let said = told((0..10).chain(11..2_000).chain([10]));
        let sender = "start 0 rate 1000\n";
        let told = Told::read(sender, &said).unwrap();
        assert!(
            said.contains("lost 10 10\n") && said.ends_with("late 10\n"),
            "{said}"
        );
        assert_eq!(told.lost_between(0, 500_000_000), Some(1));
    }

    #[test]
    fn losses_are_counted_by_the_time_of_sending() {
        let sender = "start 1000000000 rate 1000\n";
        let receiver = "at 100\nlost 150 159\nlost 500 500\nat 2000\nlost 21";
        let told = Told::read(sender, receiver).unwrap();
        let at = |millis: u64| 1_000_000_000 + millis * 1_000_000;
        assert_eq!(told.lost_between(at(0), at(1_000)), Some(11));
        assert_eq!(told.lost_between(at(155), at(400)), Some(5));
        assert_eq!(told.lost_between(at(160), at(499)), Some(0));
        assert_eq!(told.lost_between(at(0), at(2_500)), None);
        assert!(Told::read("", receiver).is_err());
        assert!(Told::read(sender, "later 7\n").is_err());
    }
}
