//! The thread that writes log lines: whoever does not read our stderr must not stop the sessions.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written; those beyond are lost, and counted.
const LINES: usize = 1024;
/// At the end, for what still waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    queue: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

/// Dropping it waits until all lines are written, for a second at most.
#[derive(Debug)]
pub struct Flush {
    queue: SyncSender<Vec<u8>>,
    flushed: Receiver<()>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        // An empty line asks. Where the queue is full, nobody reads.
        if self.queue.try_send(Vec::new()).is_ok() {
            let _: Result<(), RecvTimeoutError> = self.flushed.recv_timeout(PATIENCE);
        }
    }
}

/// Starts the thread. It ends with the process.
pub(super) fn start(name: &str) -> io::Result<(Lines, Flush)> {
    to(name, io::stderr)
}

fn to<W: Write>(
    name: &str,
    open: impl FnOnce() -> W + Send + 'static,
) -> io::Result<(Lines, Flush)> {
    let (queue, lines) = sync_channel::<Vec<u8>>(LINES);
    let (done, flushed) = sync_channel(1);
    let lost = Arc::new(AtomicU64::new(0));
    let counter = lost.clone();
    let write = move || {
        let mut out = open();
        for line in lines {
            // Where stderr is closed there is nobody to tell.
            let _ = out.write_all(&line);
            let lost = counter.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let _ = writeln!(out, "{lost} log lines were lost: nobody was reading them");
            }
            if line.is_empty() {
                let _ = done.try_send(());
            }
        }
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(write)?;
    let lines = Lines {
        queue: queue.clone(),
        lost,
    };
    Ok((lines, Flush { queue, flushed }))
}

impl Write for &Lines {
    /// One whole line, as the formatter gives it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !line.is_empty() && self.queue.try_send(line.to_vec()).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Writes only when it may, and tells what.
    struct Pipe {
        may: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !bytes.is_empty() {
                let _ = self.may.recv();
                let _ = self
                    .written
                    .send(String::from_utf8_lossy(bytes).into_owned());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_nobody_waits_for_it() {
        let ((go, may), (written, read)) = (channel(), channel());
        let (lines, flush) = to("log", move || Pipe { may, written }).unwrap();
        let total = LINES + 500;
        for number in 0..total {
            (&lines)
                .write_all(format!("line {number}\n").as_bytes())
                .unwrap();
        }
        drop((go, lines));
        drop(flush);
        let all: Vec<String> = read.iter().collect();
        let text = all.concat();
        assert!(text.starts_with("line 0\n"), "{text:.80}");
        assert!(text.contains("log lines were lost"), "{}", all.len());
        let kept = text
            .lines()
            .filter(|line| line.starts_with("line "))
            .count();
        assert!((LINES..total).contains(&kept), "{kept}");
    }
}
