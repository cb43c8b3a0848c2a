//! What a process has cost, as the kernel counts it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::Node;
use crate::lab::process::ProcessId;

/// The one process of each program.
///
/// # Errors
/// A program does not run, or twice.
pub fn processes(node: &Node, programs: &[&str]) -> Result<Vec<ProcessId>> {
    let one = |name: &&str| Ok(node.daemon(name)?.id);
    programs.iter().map(one).collect()
}

/// Memory of an idle process, KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Resident set size.
    pub rss: f64,
    /// Proportional set size: a page that is shared by n processes counts 1/n.
    pub pss: f64,
}

/// Resident memory of all these processes together.
///
/// # Errors
/// One has ended.
pub fn memory(processes: &[ProcessId]) -> Result<Memory> {
    let mut sum = Memory::default();
    for process in processes {
        let text = read(*process, "smaps_rollup")?;
        sum.rss += kib(&text, "Rss:")?;
        sum.pss += kib(&text, "Pss:")?;
    }
    Ok(sum)
}

/// The most that these processes have had resident, each at its own time, KiB.
///
/// # Errors
/// One has ended.
pub fn peak(processes: &[ProcessId]) -> Result<f64> {
    let one = |process: &ProcessId| kib(&read(*process, "status")?, "VmHWM:");
    processes.iter().map(one).sum()
}

/// Time that the threads of these processes have run so far, in the kernel or not. Of threads that
/// have ended nothing is known; the subjects' do not end.
///
/// # Errors
/// One has ended.
pub fn cpu(processes: &[ProcessId]) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for process in processes {
        ensure!(process.is_alive(), "process {} has ended", process.pid);
        for thread in std::fs::read_dir(format!("/proc/{}/task", process.pid))? {
            // /proc/PID/stat counts in ticks of 10 ms.
            let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
                // It has ended just now.
                continue;
            };
            let nanoseconds = text.split_ascii_whitespace().next();
            let nanoseconds = nanoseconds.context("/proc/PID/schedstat")?.parse()?;
            sum += Duration::from_nanos(nanoseconds);
        }
    }
    Ok(sum)
}

fn read(process: ProcessId, file: &str) -> Result<String> {
    ensure!(process.is_alive(), "process {} has ended", process.pid);
    let path = format!("/proc/{}/{file}", process.pid);
    std::fs::read_to_string(&path).context(path)
}

fn kib(text: &str, field: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|line| line.trim().strip_suffix("kB"));
    let value = value.with_context(|| format!("no {field}"))?;
    Ok(value.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> [ProcessId; 1] {
        [ProcessId::of(i32::try_from(std::process::id()).unwrap()).unwrap()]
    }

    #[test]
    fn memory_that_is_used_is_seen() {
        let before = memory(&me()).unwrap();
        let block = vec![1_u8; 64 << 20];
        let during = memory(&me()).unwrap();
        assert!(during.rss - before.rss > 60_000.0, "{before:?} {during:?}");
        assert!(during.pss <= during.rss, "{during:?}");
        drop(block);
        assert!(peak(&me()).unwrap() >= during.rss - 1_000.0);
    }

    #[test]
    fn time_that_is_used_is_seen() {
        let before = cpu(&me()).unwrap();
        let mut number = 1_u64;
        while cpu(&me()).unwrap().saturating_sub(before) < Duration::from_millis(50) {
            (0..100_000).for_each(|_| number = number.wrapping_mul(6_364_136_223_846_793_005) + 1);
        }
        assert_ne!(number, 1);
    }
}
