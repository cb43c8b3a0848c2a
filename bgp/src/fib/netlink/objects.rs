//! Nexthop objects over the socket.

use std::io;

use tokio::time::{Instant, timeout_at};

use super::leftovers::NEXTHOP_LEN;
use super::{ANSWER, Netlink};
use crate::fib::message::nexthop::{self, Resilient};
use crate::fib::message::{self, errno_of, kind};
use crate::fib::objects::{Object, Write};

/// Objects in one send at most.
const TOGETHER: usize = 64;

impl Netlink {
    /// All nexthop objects, whoever made them; `None`: this kernel has none (before Linux 5.3).
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn objects(&mut self) -> io::Result<Option<Vec<Object>>> {
        let mut all = Vec::new();
        let dumped = self.dump_all(kind::GET_NEXTHOP, &[0; NEXTHOP_LEN], |answer| {
            all.extend(nexthop::parse(answer));
        });
        match dumped.await {
            Ok(()) => Ok(Some(all)),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(None),
            Err(error) => {
                self.broken = true;
                Err(error)
            }
        }
    }

    /// Writes objects in their order; the answer has 0 or an errno for each.
    ///
    /// # Errors
    /// There was no answer to some: the objects must be looked at.
    pub async fn write_objects(
        &mut self,
        protocol: u8,
        resilient: Option<Resilient>,
        writes: &[Write],
    ) -> io::Result<Vec<i32>> {
        let mut errnos = Vec::with_capacity(writes.len());
        for together in writes.chunks(TOGETHER) {
            let first = self.sequence.wrapping_add(1);
            self.out.clear();
            for write in together {
                self.sequence = self.sequence.wrapping_add(1);
                nexthop::write(&mut self.out, self.sequence, protocol, resilient, write);
            }
            let deadline = Instant::now() + ANSWER;
            match self.send(deadline).await {
                Ok(()) => {}
                // The kernel has seen none of them.
                Err(error) => match error.raw_os_error() {
                    Some(errno) => {
                        errnos.resize(writes.len(), errno);
                        return Ok(errnos);
                    }
                    None => return Err(error),
                },
            }
            let mut answers = vec![None; together.len()];
            while answers.contains(&None) {
                timeout_at(deadline, self.receive()).await??;
                for answer in message::split(&self.buffer) {
                    let index = answer.sequence.wrapping_sub(first) as usize;
                    if let Some(slot) = answers.get_mut(index)
                        && answer.kind == kind::ERROR
                    {
                        *slot = Some(errno_of(answer.payload));
                    }
                }
            }
            errnos.extend(answers.into_iter().flatten());
        }
        Ok(errnos)
    }
}
