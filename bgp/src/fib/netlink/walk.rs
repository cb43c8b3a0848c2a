//! The kernel's routes, a part at a time: there may be a million of them, and whoever asks something
//! meanwhile is answered between two parts.

use std::collections::VecDeque;
use std::io;

use rcni_bgp_proto::rib::PrefixMap;
use tokio::time::{Instant, timeout_at};

use super::{ANSWER, Netlink};
use crate::fib::message::{self, RawMessage, family, flag, kind};
use crate::fib::{KernelRoute, Ownership, Target};

/// A dump that others' changes interrupted is repeated so often; then it is used as it is, since
/// those changes also come as notifications.
const TRIES: u32 = 3;

/// A step of a walk through the kernel's routes.
#[derive(Debug)]
pub enum Step {
    /// What was shown of this family (`AF_*`) so far is void: it begins again, since others' changes
    /// came in between.
    Again(u8),
    /// A route.
    Route(KernelRoute),
}

/// How far a walk is.
#[derive(Debug)]
pub struct Walk {
    table: u32,
    /// Only this one's.
    protocol: Option<u8>,
    families: VecDeque<u8>,
    dump: Option<Dump>,
}

#[derive(Debug)]
struct Dump {
    family: u8,
    sequence: u32,
    tries: u32,
    interrupted: bool,
}

impl Netlink {
    /// Through all own routes of both families, or all routes of the table.
    #[must_use]
    pub fn walk(&self, owner: &Ownership, with_foreign: bool) -> Walk {
        Walk {
            table: owner.table,
            protocol: (!with_foreign).then_some(owner.protocol),
            families: self.families().into(),
            dump: None,
        }
    }

    /// The next part; `None`: that was all.
    ///
    /// # Errors
    /// The kernel's, or a timeout: what was shown until then is not all.
    pub async fn read_on(&mut self, walk: &mut Walk) -> io::Result<Option<Vec<Step>>> {
        let part = self.part(walk).await;
        self.broken |= part.is_err();
        part
    }

    async fn part(&mut self, walk: &mut Walk) -> io::Result<Option<Vec<Step>>> {
        if walk.dump.is_none() {
            let Some(family) = walk.families.pop_front() else {
                return Ok(None);
            };
            self.begin(walk, family, 1).await?;
        }
        let Some(dump) = &mut walk.dump else {
            return Ok(None);
        };
        let (mut steps, mut ended) = (Vec::new(), false);
        timeout_at(Instant::now() + ANSWER, self.receive()).await??;
        let answers = message::split(&self.buffer);
        for answer in answers.filter(|answer| answer.sequence == dump.sequence) {
            dump.interrupted |= answer.flags & flag::DUMP_INTERRUPTED != 0;
            if let Some(done) = done(&answer) {
                done?;
                ended = true;
                break;
            }
            // A kernel that does not know a family answers with those that it knows.
            if answer.kind == kind::NEW_ROUTE && answer.payload.first() == Some(&dump.family) {
                steps.extend(message::parse_route(answer.payload).map(Step::Route));
            }
        }
        if ended
            && let Some(dump) = walk.dump.take()
            && dump.interrupted
            && dump.tries < TRIES
        {
            steps.push(Step::Again(dump.family));
            self.begin(walk, dump.family, dump.tries + 1).await?;
        }
        Ok(Some(steps))
    }

    async fn begin(&mut self, walk: &mut Walk, family: u8, tries: u32) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        self.out.clear();
        message::dump_routes(&mut self.out, sequence, family, walk.table, walk.protocol);
        self.send(Instant::now() + ANSWER).await?;
        walk.dump = Some(Dump {
            family,
            sequence,
            tries,
            interrupted: false,
        });
        Ok(())
    }

    /// All own routes of both families.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn find(&mut self, owner: &Ownership) -> io::Result<PrefixMap<Target>> {
        let mut ours = PrefixMap::default();
        // Routes that follow each other mostly lead to the same place: its next hops are kept once.
        let mut last = Target::from([].as_slice());
        let mut walk = self.walk(owner, false);
        while let Some(steps) = self.read_on(&mut walk).await? {
            for step in steps {
                match step {
                    Step::Again(family) => {
                        ours.retain(|prefix, _| prefix.is_ipv4() != (family == family::INET));
                    }
                    Step::Route(route) if owner.owns(&route) => {
                        let target = route.target();
                        if last != target {
                            last = target;
                        }
                        ours.insert(route.prefix, last.clone());
                    }
                    Step::Route(_) => {}
                }
            }
        }
        Ok(ours)
    }
}

/// Whether a dump ends here.
fn done(answer: &RawMessage<'_>) -> Option<io::Result<()>> {
    if !matches!(answer.kind, kind::DONE | kind::ERROR) {
        return None;
    }
    Some(match message::errno_of(answer.payload) {
        // A dump of an empty table that does not exist yet.
        0 | libc::ENOENT => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    })
}
