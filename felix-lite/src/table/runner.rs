//! How programs are started: a trait, so that everything above it is tested without root.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// A program that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completed {
    /// Whether it ended with status 0.
    pub success: bool,
    /// All that it printed.
    pub stdout: String,
    /// All that it complained about.
    pub stderr: String,
}

/// Why a program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such program.
    #[error("there is no program {0} on this node")]
    NotFound(String),
    /// It did not end; it was killed.
    #[error("{program} did not end within {secs} s")]
    TimedOut {
        /// Which program.
        program: String,
        /// How long it was waited for.
        secs: u64,
    },
    /// Starting it or talking to it failed.
    #[error("cannot run {program}")]
    Io {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// Something that runs programs.
pub trait Runner {
    /// Runs `program` (a plain name) with `stdin` as its input.
    fn run(
        &self,
        program: &str,
        args: &[&str],
        stdin: &str,
    ) -> impl Future<Output = Result<Completed, RunError>> + Send;
}

/// Starts real processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRunner;

/// Longer than iptables itself waits for its lock.
const DEADLINE: Duration = Duration::from_secs(30);
/// What a program may print; a node with 100,000 rules prints about 15 MB.
const OUTPUT_LIMIT: u64 = 256 << 20;
/// Where system programs live also if the service manager's PATH does not say so.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

impl Runner for SystemRunner {
    async fn run(&self, program: &str, args: &[&str], stdin: &str) -> Result<Completed, RunError> {
        let path = find(program).ok_or_else(|| RunError::NotFound(program.to_owned()))?;
        let run = run_to_end(path, args, stdin);
        match tokio::time::timeout(DEADLINE, run).await {
            Ok(Ok(completed)) => Ok(completed),
            Ok(Err(source)) => Err(RunError::Io {
                program: program.to_owned(),
                source,
            }),
            Err(_) => Err(RunError::TimedOut {
                program: program.to_owned(),
                secs: DEADLINE.as_secs(),
            }),
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    folders.find_map(|folder| {
        let file = folder.join(program);
        file.is_file().then_some(file)
    })
}

async fn run_to_end(path: PathBuf, args: &[&str], stdin: &str) -> io::Result<Completed> {
    let mut child = Command::new(path)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // A program that refuses an early line closes its input; its message says why.
            let _ = input.write_all(stdin.as_bytes()).await;
        }
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ((), stdout, stderr) = tokio::join!(feed, read(stdout), read(stderr));
    let status = child.wait().await?;
    Ok(Completed {
        success: status.success(),
        stdout: stdout?,
        stderr: stderr?,
    })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(OUTPUT_LIMIT).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
