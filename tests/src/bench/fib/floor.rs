//! The kernel's own floor: the same routes from batches made beforehand, one socket, one thread.

use std::time::Instant;

use anyhow::{Result, bail};

use super::observe::Observer;
use super::{Case, DEADLINE, Run, feed, settle, since};
use crate::bench::netlink::{Batch, RouteKind, Socket};
use crate::bench::netns;
use crate::bench::subjects::{KERNEL, next_hop};

/// Messages a send.
const BATCH: usize = 1_000;
/// What rcni-bgp uses.
const PROTOCOL: u8 = 77;
const METRIC: u32 = 77;

/// Runs the floor once, observed as the subjects are.
///
/// # Errors
/// The kernel refuses a route.
pub fn floor(case: Case) -> Result<Run> {
    let Case { family, routes } = case;
    let kind = RouteKind {
        protocol: PROTOCOL,
        metric: METRIC,
        gateway: next_hop(feed(family)),
    };
    let numbers: Vec<u32> = (0..routes).collect();
    let batches = |one: &dyn Fn(&mut Batch, u32)| -> Vec<Batch> {
        let chunks = numbers.chunks(BATCH);
        chunks
            .map(|chunk| {
                let mut batch = Batch::default();
                chunk.iter().for_each(|number| one(&mut batch, *number));
                batch.acknowledge_last();
                batch
            })
            .collect()
    };
    let create =
        batches(&|batch, number| kind.create(batch, family.prefix(number), family.prefix_len()));
    let delete =
        batches(&|batch, number| kind.delete(batch, family.prefix(number), family.prefix_len()));
    let bench = KERNEL.deploy()?;
    let pid = bench.dut()?.init().pid;
    let socket = netns::within(pid, Socket::new)?;
    let mut observer = Observer::new(pid, family)?;
    settle(family);
    let mut phase = |batches: &[Batch], there: bool| {
        observer.begin()?;
        std::thread::scope(|scope| {
            let observed = scope.spawn(|| observer.wait(routes, there, DEADLINE));
            let start = Instant::now();
            let cpu = thread_time()?;
            batches.iter().try_for_each(|batch| socket.run(batch))?;
            let cpu = thread_time()? - cpu;
            match observed.join() {
                Ok(at) => Ok((since(start, at?), cpu)),
                Err(_) => bail!("the observer has panicked"),
            }
        })
    };
    let (kernel, create_cpu) = phase(&create, true)?;
    let (kernel_gone, delete_cpu) = phase(&delete, false)?;
    Ok(Run {
        kernel,
        passed_on: None,
        kernel_gone,
        passed_gone: None,
        peak: None,
        cpu: create_cpu + delete_cpu,
    })
}

/// CPU time of the calling thread so far.
fn thread_time() -> Result<std::time::Duration> {
    let spec = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(spec.into())
}
