//! Another configuration while the daemon runs.
//!
//! ```text
//!  inotify (watch), every 10 s, SIGHUP --+
//!  rcni-bgp reload ----------------------+--> read, parse --refused--> status, log (once); nothing else
//!                                                  | fine
//!  rcni-bgp check --against-running                v
//!     (the candidate's text) -------------> plan: what is different, and what that means
//!                                                  |  asked only: the answer
//!                                                  v
//!                          Change --> the main thread: keys, listening sockets, gate, speaker
//!                                                  |  cannot be had (a port is taken): refused, too
//!                                                  v
//!                                           status, log: what was reset, and why
//! ```
//!
//! Reading and planning are done on a thread of their own: a file may have thousands of peers. What
//! the daemon runs with (`running`) is known here and goes nowhere: who compares sends his candidate.

pub mod plan;
pub mod report;
pub mod state;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcni_config::{ConfigErrors, SpeakerConfig};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use tracing::{info, warn};

use crate::core::PeerSettings;
use plan::Plan;
use report::{Effect, PeerReport, Report};
use state::State;
use watch::{Stamp, Watch};

/// So long nothing must happen to the file before it is read.
const QUIET: Duration = Duration::from_millis(250);
/// But it is read after this, however busy its writer is.
const PATIENCE: Duration = Duration::from_secs(3);
/// For what inotify does not tell: other machines' writes, mounts.
const LOOK: Duration = Duration::from_secs(10);
/// Peers that get a line of the log each.
const PEERS_LOGGED: usize = 20;

/// What is wanted of the reloader.
#[derive(Debug)]
pub enum Request {
    /// Read the file now.
    Reload {
        /// What came of it, or why it was refused.
        answer: oneshot::Sender<Result<Report, String>>,
    },
    /// What would this change?
    Compare {
        /// The candidate's name in errors.
        name: String,
        /// All of it.
        text: String,
        /// What it would do, or why it would be refused.
        answer: oneshot::Sender<Result<Report, String>>,
    },
}

/// For the main thread: all that is different from now on.
#[derive(Debug)]
pub struct Change {
    /// What the plan says.
    pub plan: Box<Plan>,
    /// Of all peers.
    pub settings: Vec<PeerSettings>,
    /// Done, or why not: then nothing of it is.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
    running: SpeakerConfig,
    changes: mpsc::Sender<Change>,
    state: Arc<State>,
    /// The text of the last refusal: it is logged once.
    refused: Option<String>,
    /// The same of what waits for the next start.
    next_start: Vec<String>,
}

impl Reloader {
    /// `running`: what the daemon has begun with.
    #[must_use]
    pub fn new(
        file: &Path,
        running: SpeakerConfig,
        changes: mpsc::Sender<Change>,
        state: Arc<State>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            running,
            changes,
            state,
            refused: None,
            next_start: Vec::new(),
        }
    }

    /// Until the daemon ends.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut hangup: Signal) {
        let mut watch = Watch::open()
            .inspect_err(|error| warn!(%error, "cannot watch the configuration file; SIGHUP and `rcni-bgp reload` work"))
            .ok();
        if let Some(watch) = &mut watch {
            watch.follow(&self.file);
        }
        let mut seen = Stamp::of(&self.file);
        // Since it was read for the start nobody has watched it.
        let _ = self.reload().await;
        let mut look = Instant::now() + LOOK;
        let mut writing: Option<Writing> = None;
        loop {
            if let Some(watch) = &mut watch {
                watch.follow(&self.file);
            }
            let quiet = writing.map(|writing| writing.over());
            tokio::select! {
                request = requests.recv() => match request {
                    None => return,
                    Some(Request::Reload { answer }) => {
                        (seen, writing) = (Stamp::of(&self.file), None);
                        // Whoever asked may have given up.
                        let _ = answer.send(self.reload().await);
                    }
                    Some(Request::Compare { name, text, answer }) => {
                        let _ = answer.send(self.compare(name, text).await);
                    }
                },
                _ = hangup.recv() => {
                    info!("SIGHUP: reading the configuration");
                    (seen, writing) = (Stamp::of(&self.file), None);
                    let _ = self.reload().await;
                }
                () = changed(watch.as_mut()) => writing = Some(Writing::more(writing)),
                () = until(quiet) => {
                    // Whatever its stamp is: two writes may have the same time.
                    (seen, writing) = (Stamp::of(&self.file), None);
                    let _ = self.reload().await;
                }
                () = until(Some(look)) => {
                    look = Instant::now() + LOOK;
                    if writing.is_none() {
                        self.look(&mut seen).await;
                    }
                }
            }
        }
    }

    /// Reads the file if it is another one than it was.
    async fn look(&mut self, seen: &mut Stamp) {
        let now = Stamp::of(&self.file);
        if now != *seen {
            *seen = now;
            let _ = self.reload().await;
        }
    }

    async fn reload(&mut self) -> Result<Report, String> {
        let (file, running) = (self.file.clone(), self.running.clone());
        let planned = tokio::task::spawn_blocking(move || {
            let config = rcni_config::load_speaker(&file)?;
            let warning = rcni_config::readable_passwords(&file, &config);
            let mut plan = Plan::new(&running, config);
            let warning = warning.map(|warning| warning.to_string());
            plan.report.warnings.extend(warning);
            Ok::<_, ConfigErrors>(plan)
        });
        let planned = match planned.await {
            Ok(planned) => planned,
            Err(error) => return Err(self.refuse(vec![error.to_string()])),
        };
        match planned {
            Ok(plan) => self.apply(plan).await,
            Err(errors) => Err(self.refuse(errors.iter().map(ToString::to_string).collect())),
        }
    }

    async fn apply(&mut self, plan: Plan) -> Result<Report, String> {
        let report = plan.report.clone();
        let config = plan.config.clone();
        if config != self.running {
            let (answer, done) = oneshot::channel();
            let settings = crate::daemon::settings(&config);
            let change = Change {
                plan: Box::new(plan),
                settings,
                answer,
            };
            let stopping = || "the daemon is stopping".to_owned();
            self.changes.send(change).await.map_err(|_| stopping())?;
            if let Err(text) = done.await.map_err(|_| stopping())? {
                return Err(self.refuse(vec![text]));
            }
            tell(&report);
        }
        if report.next_start != self.next_start {
            report.next_start.iter().for_each(|line| warn!("{line}"));
            self.next_start.clone_from(&report.next_start);
        }
        self.running = config;
        if self.refused.take().is_some() {
            info!(file = %self.file.display(), "the configuration is fine again");
        }
        self.state.accepted(&report);
        Ok(report)
    }

    /// Nothing changes. In the log once, in status until it is fine again.
    fn refuse(&mut self, errors: Vec<String>) -> String {
        let text = errors.join("\n");
        if self.refused.as_ref() != Some(&text) {
            warn!(
                file = %self.file.display(),
                "the configuration is refused, and the daemon goes on with the one that it has:\n{text}"
            );
        }
        self.refused = Some(text.clone());
        self.state.refused(errors);
        text
    }

    async fn compare(&self, name: String, text: String) -> Result<Report, String> {
        let running = self.running.clone();
        let compared = tokio::task::spawn_blocking(move || {
            let config = rcni_config::parse_speaker(&name, &text)?;
            Ok::<_, ConfigErrors>(Plan::new(&running, config).report)
        });
        let compared = compared.await.map_err(|error| error.to_string())?;
        compared.map_err(|errors| errors.to_string())
    }
}

async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Somebody is at the file.
#[derive(Clone, Copy, Debug)]
struct Writing {
    since: Instant,
    last: Instant,
}

impl Writing {
    fn more(before: Option<Self>) -> Self {
        let last = Instant::now();
        let since = before.map_or(last, |before| before.since);
        Self { since, last }
    }

    /// When it is read: nothing has happened for a while, or for too long something has.
    fn over(self) -> Instant {
        (self.last + QUIET).min(self.since + PATIENCE)
    }
}

/// Those whose sessions end come first.
fn told(report: &Report) -> impl Iterator<Item = &PeerReport> {
    let peers = |ends| {
        let peers = report.peers.iter();
        peers.filter(move |peer| peer.effect.ends_session() == ends)
    };
    peers(true).chain(peers(false))
}

/// The log of what has been done.
fn tell(report: &Report) {
    let count = |effect| {
        let peers = report.peers.iter();
        peers.filter(|peer| peer.effect == effect).count()
    };
    info!(
        added = count(Effect::Added),
        removed = count(Effect::Removed),
        live = count(Effect::Live),
        reset = count(Effect::Reset) + count(Effect::Anew) + count(Effect::Part),
        "another configuration is in use"
    );
    for line in report.speaker.iter().chain(&report.sockets) {
        info!("{line}");
    }
    for peer in told(report).take(PEERS_LOGGED) {
        if peer.effect.ends_session() {
            warn!(peer = peer.name, "{}", peer.says());
        } else {
            info!(peer = peer.name, "{}", peer.says());
        }
    }
    if report.peers.len() > PEERS_LOGGED {
        info!("and {} more peers", report.peers.len() - PEERS_LOGGED);
    }
}

#[cfg(test)]
mod tests;
