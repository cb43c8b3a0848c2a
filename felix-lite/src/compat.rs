//! `net.ipv4.nexthop_compat_mode`: how the kernel tells of routes that use nexthop objects, of both
//! families, in this network namespace.
//!
//! With 1, which the kernel starts with, it lists such a route with its next hops, and when a group
//! changes it tells of every route that uses it: 70 to 115 ms of its time for 100,000 routes. With 0 a
//! route has the object's number and nothing else, and the change takes 2 ms. That is for programs
//! that know nexthop objects; others see routes that lead nowhere ([`crate::readers`]). `ip route`
//! shows `nhid N`, and `ip nexthop` the rest.
//!
//! It only makes things faster: what cannot be done is said, and keeps no node from being ready.

use std::time::{Duration, Instant};

use rcni_config::NexthopCompatMode;

use crate::readers::{self, Processes, Reader, Sight};
use crate::state::State;
use crate::sysctl::Sysctls;

/// Since Linux 5.8.
pub const COMPAT_MODE: &str = "net/ipv4/nexthop_compat_mode";
/// So long a reader that has gone is waited for: it may only be restarted, and would read routes
/// without next hops at its start.
const GRACE: Duration = Duration::from_secs(60);

/// What was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This, or nothing.
    Done(Option<String>),
    /// The kernel does not have it, and probably no nexthop objects.
    Missing,
}

/// The decision, and what it was before.
#[derive(Debug)]
pub struct CompatMode {
    wanted: NexthopCompatMode,
    processes: Processes,
    grace: Duration,
    /// When readers ran last.
    seen: Option<Instant>,
    /// What was said last, once.
    said: String,
}

impl CompatMode {
    /// `refresh`: how often somebody looks.
    #[must_use]
    pub fn new(wanted: NexthopCompatMode, refresh: Duration) -> Self {
        Self {
            wanted,
            processes: Processes::default(),
            grace: GRACE.min(refresh * 2),
            seen: None,
            said: String::new(),
        }
    }

    /// Puts it right, and says why it is as it is.
    pub fn ensure(&mut self, sysctls: &Sysctls, state: &mut State, now: Instant) -> Outcome {
        let current = match sysctls.read(COMPAT_MODE) {
            Ok(current) => current,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Outcome::Missing,
            // The attempt to set it says what is wrong.
            Err(_) => String::new(),
        };
        let sight = match self.wanted {
            NexthopCompatMode::Auto => self.processes.readers(),
            _ => Sight::Clear(Vec::new()),
        };
        let reads = matches!(&sight, Sight::Clear(readers) if !readers.is_empty());
        let (compat, why) = self.decide(&sight, now);
        let ours = state.record.settings.contains_key(COMPAT_MODE);
        // Somebody's own 0 is left, also beside programs that seem to need 1.
        let left = self.wanted == NexthopCompatMode::Auto && compat && !ours;
        let value = match (left, compat) {
            (true, _) => current.as_str(),
            (false, true) => "1",
            (false, false) => "0",
        };
        match sysctls.set(COMPAT_MODE, value, state) {
            Ok(Some(what)) => {
                self.said.clone_from(&why);
                let late = "; what it has read meanwhile lacks next hops until it reads again or is \
                            restarted (nexthopCompatMode: enabled keeps 1)";
                let late = if reads { late } else { "" };
                Outcome::Done(Some(format!("{what}: {why}{late}")))
            }
            Ok(None) => {
                let others = left && current == "0";
                let others = if others {
                    ", but 0 was set before: left"
                } else {
                    ""
                };
                self.say(&why, || {
                    tracing::info!("{COMPAT_MODE} stays {current}: {why}{others}");
                });
                Outcome::Done(None)
            }
            Err(error) => {
                let error = error.to_string();
                self.say(&error, || {
                    tracing::warn!("{error}; changes of routes take longer");
                });
                Outcome::Done(None)
            }
        }
    }

    fn say(&mut self, what: &str, say: impl FnOnce()) {
        if self.said != what {
            what.clone_into(&mut self.said);
            say();
        }
    }

    /// Whether it should be 1, and why.
    fn decide(&mut self, sight: &Sight, now: Instant) -> (bool, String) {
        match (self.wanted, sight) {
            (NexthopCompatMode::Enabled, _) => (true, "nexthopCompatMode is enabled".to_owned()),
            (NexthopCompatMode::Disabled, _) => (false, "nexthopCompatMode is disabled".to_owned()),
            (NexthopCompatMode::Auto, Sight::Blind(why)) => {
                let why = format!("{why}, and one of them may need the next hops of routes");
                (true, why)
            }
            (NexthopCompatMode::Auto, Sight::Clear(readers)) if !readers.is_empty() => {
                self.seen = Some(now);
                let names = names(readers);
                (
                    true,
                    format!("{names} may need the next hops of every route"),
                )
            }
            (NexthopCompatMode::Auto, Sight::Clear(_)) => match self.seen {
                Some(seen) if now.duration_since(seen) < self.grace => {
                    let why = "who may need the next hops of every route has just gone";
                    (true, why.to_owned())
                }
                _ => {
                    let why = "nobody here needs the next hops of every route, and a nexthop group \
                               changes in milliseconds";
                    (false, why.to_owned())
                }
            },
        }
    }
}

/// The value on a node where nothing else runs, and why, for people.
#[must_use]
pub fn rendered(wanted: NexthopCompatMode) -> (&'static str, String) {
    match wanted {
        NexthopCompatMode::Enabled => ("1", "nexthopCompatMode is enabled".to_owned()),
        NexthopCompatMode::Disabled => ("0", "nexthopCompatMode is disabled".to_owned()),
        NexthopCompatMode::Auto => {
            let why = format!(
                "a nexthop group changes in milliseconds; 1 as long as one of these runs: {}",
                readers::NAMES.join(", ")
            );
            ("0", why)
        }
    }
}

/// `bird (pid 4) and 2 more`
fn names(readers: &[Reader]) -> String {
    let Some(first) = readers.first() else {
        return String::new();
    };
    let first = format!("{} (pid {})", first.name, first.pid);
    match readers.len() {
        1 => first,
        all => format!("{first} and {} more", all - 1),
    }
}

#[cfg(test)]
mod tests;
