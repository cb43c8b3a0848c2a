//! The core's end.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rcni_bgp_proto::bfd::{Down, News, SessionId};
use rcni_bgp_proto::speaker::PeerId;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tracing::warn;

use super::{ByPeer, Report, Wish, thread};
use crate::tasks;
use rcni_control::jitter::random;

/// Questions that wait.
const QUESTIONS: usize = 16;
/// For the last words.
const ENDS: Duration = Duration::from_secs(1);

/// What the thread is to do when it looks next.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The last word per session; `None`: not any more.
    pub(super) wishes: BTreeMap<SessionId, Option<Wish>>,
    pub(super) questions: Vec<oneshot::Sender<Report>>,
    /// Say good-bye and end.
    pub(super) ended: bool,
}

/// What a session has told since the core has looked: the last word, and whether it was down between.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    down: Option<Down>,
    last: Option<News>,
}

/// Between both.
#[derive(Debug)]
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    told: Mutex<BTreeMap<SessionId, Told>>,
    changed: Notify,
    /// There is a thread that answers.
    begun: AtomicBool,
    /// A byte here wakes the thread.
    waker: UnixDatagram,
}

impl Shared {
    /// What has to be done.
    pub(super) fn take(&self) -> Inbox {
        let mut inbox = lock(&self.inbox);
        let ended = inbox.ended;
        let taken = std::mem::take(&mut *inbox);
        inbox.ended = ended;
        taken
    }

    /// Puts news where the core finds it.
    pub(super) fn tell(&self, id: SessionId, news: News) {
        let mut told = lock(&self.told);
        let entry = told.entry(id).or_default();
        if let News::Down(down) = news {
            entry.down = Some(down);
        }
        entry.last = Some(news);
        drop(told);
        self.changed.notify_one();
    }

    fn put(&self, what: impl FnOnce(&mut Inbox)) {
        what(&mut lock(&self.inbox));
        // Full: then it is awake already.
        let _ = self.waker.send(&[0]);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done with it leaves it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// To wait for news, and to ask.
#[derive(Clone, Debug)]
pub struct Changes(Option<Arc<Shared>>);

impl Changes {
    /// Until there is something for [`Watching::news`].
    pub async fn changed(&self) {
        match &self.0 {
            Some(shared) => shared.changed.notified().await,
            None => std::future::pending().await,
        }
    }

    /// All sessions; nothing where there is no thread.
    pub async fn report(&self) -> Report {
        let shared = self.0.as_ref();
        let Some(shared) = shared.filter(|shared| shared.begun.load(Ordering::Relaxed)) else {
            return Report::default();
        };
        let (question, answer) = oneshot::channel();
        shared.put(|inbox| {
            if inbox.questions.len() < QUESTIONS {
                inbox.questions.push(question);
            }
        });
        match timeout(ENDS, answer).await {
            Ok(Ok(report)) => report,
            _ => Report::default(),
        }
    }
}

/// Who is watched.
#[derive(Debug)]
pub struct Watching {
    shared: Option<Arc<Shared>>,
    /// The thread's end of the waker, until there is a thread.
    wakes: Option<UnixDatagram>,
    thread: Option<JoinHandle<()>>,
    by_peer: HashMap<PeerId, (SessionId, Wish)>,
    by_session: HashMap<SessionId, PeerId>,
    next: u64,
}

impl Watching {
    /// Nobody. The thread begins with the first session, in the caller's namespaces.
    #[must_use]
    pub fn new() -> Self {
        let made = pair().inspect_err(|error| warn!("there will be no BFD: {error}"));
        let (waker, wakes) = made.ok().unzip();
        let shared = waker.map(|waker| {
            Arc::new(Shared {
                inbox: Mutex::default(),
                told: Mutex::default(),
                changed: Notify::new(),
                begun: AtomicBool::new(false),
                waker,
            })
        });
        Self {
            shared,
            wakes,
            thread: None,
            by_peer: HashMap::new(),
            by_session: HashMap::new(),
            next: 0,
        }
    }

    /// For whoever waits and asks.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.shared.clone())
    }

    /// Which peer has which session.
    #[must_use]
    pub fn by_peer(&self) -> ByPeer {
        let peers = self.by_peer.iter();
        peers.map(|(peer, (id, _))| (*peer, *id)).collect()
    }

    /// How the way to a peer is watched.
    #[must_use]
    pub fn wish_of(&self, peer: PeerId) -> Option<Wish> {
        self.by_peer.get(&peer).map(|(_, wish)| *wish)
    }

    /// The way to a peer is to be watched so, or not any more. Other times and another link change a session
    /// that goes on; all else is another session.
    pub fn watch(&mut self, peer: PeerId, wish: Option<Wish>) {
        let before = self.by_peer.get(&peer).copied();
        if before.map(|(_, wish)| wish) == wish {
            return;
        }
        let mut changes = BTreeMap::new();
        let same = |old: Wish, new: Wish| {
            Wish {
                profile: new.profile,
                over: new.over,
                ..old
            } == new
        };
        match (before, wish) {
            (Some((id, old)), Some(new)) if same(old, new) => {
                self.by_peer.insert(peer, (id, new));
                changes.insert(id, wish);
            }
            (before, _) => {
                if let Some((id, _)) = before {
                    self.by_session.remove(&id);
                    self.by_peer.remove(&peer);
                    changes.insert(id, None);
                }
                if let Some(new) = wish {
                    let id = SessionId(self.next);
                    self.next += 1;
                    self.by_session.insert(id, peer);
                    self.by_peer.insert(peer, (id, new));
                    changes.insert(id, wish);
                }
            }
        }
        self.begin();
        if let Some(shared) = &self.shared {
            shared.put(|inbox| inbox.wishes.extend(changes));
        }
    }

    fn begin(&mut self) {
        let (Some(shared), Some(wakes)) = (&self.shared, self.wakes.take()) else {
            return;
        };
        let begun = Arc::clone(shared);
        match tasks::spawn_bfd(move || thread::run(begun, wakes, random())) {
            Ok(thread) => {
                shared.begun.store(true, Ordering::Relaxed);
                self.thread = Some(thread);
            }
            Err(error) => warn!("there will be no BFD: no thread for it: {error}"),
        }
    }

    /// What has happened: first what ended, then what is so now.
    pub fn news(&mut self) -> Vec<(PeerId, News)> {
        let Some(shared) = &self.shared else {
            return Vec::new();
        };
        let told = std::mem::take(&mut *lock(&shared.told));
        let mut news = Vec::new();
        for (id, told) in told {
            // One of a session that was replaced meanwhile is nobody's.
            let Some(peer) = self.by_session.get(&id) else {
                continue;
            };
            let down = told.down.map(News::Down);
            let last = told.last.filter(|last| Some(*last) != down);
            news.extend(down.into_iter().chain(last).map(|news| (*peer, news)));
        }
        news
    }

    /// Tells all peers that this side is switched off, and ends the thread.
    pub async fn end(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if let Some(shared) = &self.shared {
            shared.put(|inbox| inbox.ended = true);
        }
        let joined = tokio::task::spawn_blocking(move || thread.join());
        if timeout(ENDS, joined).await.is_err() {
            warn!("BFD did not end in time");
        }
    }
}

impl Default for Watching {
    fn default() -> Self {
        Self::new()
    }
}

fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
    let (waker, wakes) = UnixDatagram::pair()?;
    waker.set_nonblocking(true)?;
    wakes.set_nonblocking(true)?;
    Ok((waker, wakes))
}
