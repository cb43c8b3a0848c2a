//! Marks that own routes had under earlier configurations.
//!
//! `spec.kernel` takes effect with a start. What runs before have installed with other marks is not
//! found by the new ones: nobody would follow it any more, and with the better metric it would go on
//! carrying traffic, wherever that leads later. So every run writes its marks down before it installs
//! anything, in a file beside the control socket, and removes what has older ones as soon as its own
//! routes are there:
//!
//! ```text
//!  start: older marks + ours --> file      own routes written after FibSynced: the older ones' routes go,
//!                                          ours alone --> file
//! ```
//!
//! Killed in between, the next run finds them all. Only what is of this boot and network namespace
//! counts: elsewhere there are no such routes, or they are somebody else's.

use std::io;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::change::{Change, Outcome};
use super::netlink::{BATCH, Netlink};
use super::{Ownership, Prefix};
use crate::{drained, marker};

/// Older marks that are remembered; who changes them more often without a run that gets through has
/// `rcni-bgp clean`.
const MOST: usize = 8;
/// Removals of one kind are tried so often: then it is said what is left.
const ROUNDS: usize = 3;

/// See the [module](self).
#[derive(Debug)]
pub struct Former {
    path: PathBuf,
    /// First line of the file.
    place: String,
    /// What own routes have now; `None`: none are installed.
    current: Option<Ownership>,
    others: Vec<Ownership>,
}

impl Former {
    /// What runs of the daemon with this control socket have left.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn beside(socket: &Path) -> io::Result<Self> {
        let (path, place) = (Self::path_beside(socket), marker::place()?);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut lines = text.lines();
        let others = match lines.next() {
            Some(head) if head == place => lines.filter_map(parse).take(MOST).collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            path,
            place,
            current: None,
            others,
        })
    }

    /// Where that is written.
    #[must_use]
    pub fn path_beside(socket: &Path) -> PathBuf {
        let mut path = socket.as_os_str().to_owned();
        path.push(".kernel");
        path.into()
    }

    /// This run begins, with these marks or without routes.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(&mut self, current: Option<Ownership>) -> io::Result<()> {
        self.current = current;
        self.others.retain(|other| Some(*other) != current);
        self.write()
    }

    /// Marks that own routes do not have any more.
    #[must_use]
    pub fn others(&self) -> &[Ownership] {
        &self.others
    }

    fn write(&self) -> io::Result<()> {
        let all: Vec<&Ownership> = self.current.iter().chain(&self.others).collect();
        if all.is_empty() {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut text = format!("{}\n", self.place);
        for owner in all {
            let Ownership {
                protocol,
                metric,
                default_route_metric,
                table,
            } = owner;
            text.push_str(&format!(
                "{protocol} {metric} {default_route_metric} {table}\n"
            ));
        }
        drained::replace(&self.path, &text)
    }

    fn done(&mut self, left: Vec<Ownership>) {
        self.others = left;
        if let Err(error) = self.write() {
            warn!("the next start will look for routes of older marks again: {error}");
        }
    }
}

fn parse(line: &str) -> Option<Ownership> {
    let mut numbers = line.split(' ');
    let owner = Ownership {
        protocol: numbers.next()?.parse().ok()?,
        metric: numbers.next()?.parse().ok()?,
        default_route_metric: numbers.next()?.parse().ok()?,
        table: numbers.next()?.parse().ok()?,
    };
    numbers.next().is_none().then_some(owner)
}

/// The removal of what has older marks, a batch at a time.
#[derive(Debug, Default)]
pub struct Leftovers {
    former: Option<Former>,
    due: bool,
    /// Of the first of the others.
    waiting: Vec<Change>,
    /// Others of which something may be left: for the next start.
    left: Vec<Ownership>,
    rounds: usize,
    removed: usize,
}

impl Leftovers {
    /// Of these.
    #[must_use]
    pub fn new(former: Option<Former>) -> Self {
        Self {
            former,
            ..Self::default()
        }
    }

    /// Own routes are complete: what is older can go.
    pub fn begin(&mut self) {
        let former = self.former.as_ref();
        self.due = former.is_some_and(|former| !former.others.is_empty());
    }

    /// Whether [`Leftovers::step`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.due
    }

    /// Removes some. Returns the prefixes at which there was a route that is none of ours any more.
    pub async fn step(&mut self, netlink: &mut Netlink) -> Vec<Prefix> {
        let Some(former) = &mut self.former else {
            self.due = false;
            return Vec::new();
        };
        let Some(owner) = former.others.first().copied() else {
            self.due = false;
            former.done(std::mem::take(&mut self.left));
            return Vec::new();
        };
        if self.waiting.is_empty() {
            self.rounds += 1;
            match found(netlink, &owner, former.current.as_ref()).await {
                Ok(found) if self.rounds <= ROUNDS => self.waiting = found,
                Ok(found) if found.is_empty() => {}
                Ok(found) => {
                    let left = found.len();
                    warn!(
                        left,
                        "cannot remove routes of older marks: {owner}; the next start tries again"
                    );
                    self.left.push(owner);
                }
                // The task opens another socket.
                Err(_) if self.rounds < ROUNDS => return Vec::new(),
                Err(error) => {
                    warn!(%error, "cannot look for routes of older marks: {owner}; the next start tries again");
                    self.left.push(owner);
                }
            }
        }
        if self.waiting.is_empty() {
            if self.removed > 0 {
                let removed = self.removed;
                info!(
                    removed,
                    "routes with the marks of an earlier configuration are gone: {owner}"
                );
            }
            (self.rounds, self.removed) = (0, 0);
            former.others.remove(0);
            if !self.left.contains(&owner) {
                remove_objects(netlink, &owner, former.current.as_ref()).await;
            }
            return Vec::new();
        }
        let rest = self.waiting.split_off(self.waiting.len().min(BATCH));
        let changes = std::mem::replace(&mut self.waiting, rest);
        let outcomes = netlink.apply(&owner, &changes).await;
        let gone = |outcome: &Outcome| matches!(outcome, Outcome::Done | Outcome::Missing);
        let removed = changes.iter().zip(outcomes);
        let removed = removed.filter(|(_, outcome)| gone(outcome));
        let removed: Vec<Prefix> = removed.map(|(change, _)| change.prefix()).collect();
        self.removed += removed.len();
        removed
    }
}

/// But for those that have the present marks, too: default routes have a metric of their own.
async fn found(
    netlink: &mut Netlink,
    owner: &Ownership,
    current: Option<&Ownership>,
) -> io::Result<Vec<Change>> {
    let found = netlink.find(owner).await?;
    let others = found.iter().filter(|(prefix, _)| {
        current.is_none_or(|current| {
            let marks = |owner: &Ownership| (owner.protocol, owner.table, owner.metric_of(*prefix));
            marks(current) != marks(owner)
        })
    });
    let removals = others.map(|(prefix, target)| Change::Delete {
        prefix,
        target: Some(target.clone()),
    });
    Ok(removals.collect())
}

/// The nexthop objects that routes of older marks had, where the present run does not take them for its
/// own: they have its protocol, too, then.
async fn remove_objects(netlink: &mut Netlink, owner: &Ownership, current: Option<&Ownership>) {
    if current.is_some_and(|current| current.protocol == owner.protocol) {
        return;
    }
    match netlink.remove_objects(owner).await {
        Ok(0) => {}
        Ok(removed) => {
            let protocol = owner.protocol;
            info!(
                removed,
                protocol, "nexthop objects of an earlier configuration are gone"
            );
        }
        Err(error) => {
            warn!(%error, "cannot remove nexthop objects of older marks: {owner}; `rcni-bgp clean` can");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(metric: u32) -> Ownership {
        Ownership {
            metric,
            ..Ownership::default()
        }
    }

    #[test]
    fn older_marks_are_known_until_their_routes_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bgp.sock");
        let start = |current: Option<Ownership>| {
            let mut former = Former::beside(&socket).unwrap();
            former.begin(current).unwrap();
            former
        };
        assert_eq!(start(Some(metric(77))).others(), []);
        assert_eq!(start(Some(metric(77))).others(), []);
        // Killed before it is through, twice.
        assert_eq!(start(Some(metric(99))).others(), [metric(77)]);
        assert_eq!(start(None).others(), [metric(99), metric(77)]);
        // And back.
        let mut former = start(Some(metric(77)));
        assert_eq!(former.others(), [metric(99)]);
        former.done(Vec::new());
        assert_eq!(start(Some(metric(77))).others(), []);
        start(None).done(vec![metric(99)]);
        assert_eq!(start(None).others(), [metric(99)]);
        start(None).done(Vec::new());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_of_another_boot_or_no_such_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bgp.sock");
        let path = Former::path_beside(&socket);
        let here = marker::place().unwrap();
        for (text, count) in [
            ("another 1\n77 77 20077 254\n".to_owned(), 0),
            (format!("{here}\n77 77 20077 254\n77 98 20077 254\n"), 2),
            (
                format!("{here}\n77 77 20077\nwhat\n\n77 77 20077 254 1\n"),
                0,
            ),
            (format!("{here}\n{}", "77 77 20077 254\n".repeat(99)), MOST),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Former::beside(&socket).unwrap().others().len(), count);
        }
    }
}
