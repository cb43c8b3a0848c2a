//! Peers that misbehave, and one that watches.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::bench::peer::count::message;
use crate::bench::peer::session::{Identity, connect};
use crate::bench::peer::wire;
use crate::bench::subjects::Bench;

/// Between two looks at everything.
const TURN: Duration = Duration::from_millis(5);
/// Between two KEEPALIVEs of ours: the observer's hold time is 3 s.
const SPEAK: Duration = Duration::from_millis(500);

/// A thread that goes on until it is told to end.
#[derive(Debug)]
struct Task<T> {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<T>>>,
}

impl<T: Send + 'static> Task<T> {
    fn spawn(run: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static) -> Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&end);
        let thread = std::thread::Builder::new()
            .name("bench-overload".to_owned())
            .spawn(move || run(&flag))?;
        Ok(Self {
            end,
            thread: Some(thread),
        })
    }

    fn end(mut self) -> Result<T> {
        self.end.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it runs")?;
        match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("a peer has panicked"),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// Notes when KEEPALIVEs come.
#[derive(Debug)]
pub(super) struct Watch {
    task: Task<Duration>,
}

impl Watch {
    /// Of an established session in the sink's node.
    pub(super) fn begin(bench: &Bench, me: Identity) -> Result<Self> {
        let (stream, early) = connect(bench.pid("sink")?, me, bench.towards("sink"))?;
        let task = Task::spawn(move |end| watch(stream, early, end))?;
        Ok(Self { task })
    }

    /// The longest time from one to the next, until now.
    pub(super) fn end(self) -> Result<Duration> {
        self.task.end()
    }
}

fn watch(mut stream: TcpStream, mut bytes: Vec<u8>, end: &AtomicBool) -> Result<Duration> {
    stream.set_read_timeout(Some(SPEAK))?;
    let mut chunk = [0; 4096];
    let (mut last, mut spoken, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    loop {
        let mut rest = bytes.as_slice();
        while let Some((kind, body, after)) = message(rest)? {
            match kind {
                wire::kind::KEEPALIVE => {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                wire::kind::NOTIFICATION => bail!("NOTIFICATION {body:?}"),
                _ => {}
            }
            rest = after;
        }
        bytes = rest.to_vec();
        // The next one is late already.
        if end.load(Ordering::Relaxed) {
            return Ok(longest.max(last.elapsed()));
        }
        if spoken.elapsed() >= SPEAK {
            stream.write_all(&wire::keepalive())?;
            spoken = Instant::now();
        }
        match stream.read(&mut chunk) {
            Ok(0) => bail!("the session was closed"),
            Ok(read) => bytes.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A peer that reads so many bytes a second, and says that it is there.
#[derive(Debug)]
pub(super) struct Reader {
    task: Task<u64>,
}

impl Reader {
    pub(super) fn begin(bench: &Bench, me: Identity, rate: usize) -> Result<Self> {
        let (stream, _) = connect(bench.pid("sink")?, me, bench.towards("sink"))?;
        let task = Task::spawn(move |end| read_slowly(stream, rate, end))?;
        Ok(Self { task })
    }

    /// How many bytes it has read.
    pub(super) fn end(self) -> Result<u64> {
        self.task.end()
    }
}

fn read_slowly(mut stream: TcpStream, rate: usize, end: &AtomicBool) -> Result<u64> {
    const PAUSE: Duration = Duration::from_millis(100);
    let mut chunk = vec![0; rate / 10];
    let (mut total, mut spoken) = (0, Instant::now());
    stream.set_read_timeout(Some(PAUSE))?;
    while !end.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE);
        if !chunk.is_empty() {
            match stream.read(&mut chunk) {
                Ok(0) => bail!("the session was closed"),
                Ok(read) => total += read as u64,
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if spoken.elapsed() >= Duration::from_secs(2) {
            stream.write_all(&wire::keepalive())?;
            spoken = Instant::now();
        }
    }
    Ok(total)
}

/// Opens connections at a rate, for a time. `keep`: as long as they last, else they are closed at
/// once. How many were opened, and how many of those were still open at the end.
pub(super) fn knock(
    open: impl Fn(u32) -> Result<TcpStream>,
    rate: u32,
    time: Duration,
    keep: bool,
) -> Result<(u32, usize)> {
    let begin = Instant::now();
    let (mut tried, mut opened, mut kept) = (0_u32, 0, Vec::new());
    while begin.elapsed() < time {
        let due = f64::from(rate) * begin.elapsed().as_secs_f64();
        while f64::from(tried) < due {
            if let Ok(stream) = open(tried) {
                opened += 1;
                if keep {
                    stream.set_nonblocking(true)?;
                    kept.push(stream);
                }
            }
            tried += 1;
        }
        kept.retain_mut(|stream: &mut TcpStream| is_open(stream));
        std::thread::sleep(TURN);
    }
    ensure!(tried > 0, "nothing was tried");
    Ok((opened, kept.len()))
}

fn is_open(stream: &mut TcpStream) -> bool {
    let mut byte = [0; 64];
    match stream.read(&mut byte) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
