//! Asks the daemon, on a thread of its own: a slow answer holds up no key.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rcni_control::events::{Event, EventsRequest};

use crate::control::client::{self, AskError};
use crate::control::model::Status;

/// Answers that wait to be shown.
const WAITING: usize = 4;
/// Events of before that are shown first.
const FIRST: usize = 200;

/// What was answered.
#[derive(Debug)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// The status, or why there is none.
    pub status: Result<Box<Status>, String>,
    /// What has happened since the answer before.
    pub events: Vec<Event>,
}

/// The thread's end of it.
#[derive(Debug)]
pub struct Asker(Receiver<Told>);

impl Asker {
    /// It ends when nobody listens any more.
    ///
    /// # Errors
    /// No thread.
    pub fn start(socket: &Path, interval: Duration) -> io::Result<Self> {
        let (tell, told) = sync_channel(WAITING);
        let socket = socket.to_owned();
        let ask = move || ask(&socket, interval, &tell);
        std::thread::Builder::new()
            .name("rcni-bgp-watch".to_owned())
            .spawn(ask)?;
        Ok(Self(told))
    }

    /// What has come since the last time.
    pub fn told(&self) -> impl Iterator<Item = Told> {
        self.0.try_iter()
    }
}

fn ask(socket: &Path, interval: Duration, tell: &SyncSender<Told>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    let mut request = EventsRequest {
        last: Some(FIRST),
        ..EventsRequest::default()
    };
    let mut started = String::new();
    loop {
        let told = runtime.block_on(async {
            let status = client::status(socket).await;
            let events = match &status {
                Ok(_) => news(socket, &mut request, &mut started).await,
                Err(_) => Ok(Vec::new()),
            };
            Told {
                at: Instant::now(),
                status: status
                    .map(|(status, _)| Box::new(status))
                    .map_err(|error| error.to_string()),
                events: events.unwrap_or_default(),
            }
        });
        if tell.send(told).is_err() {
            return;
        }
        std::thread::sleep(interval);
    }
}

/// What has happened since; all of it if the daemon is another one now.
async fn news(
    socket: &Path,
    request: &mut EventsRequest,
    started: &mut String,
) -> Result<Vec<Event>, AskError> {
    let (mut page, _) = client::events(socket, request).await?;
    if *started != page.started && request.after > 0 {
        request.after = 0;
        (page, _) = client::events(socket, request).await?;
    }
    *started = page.started;
    (request.after, request.last) = (page.next, None);
    Ok(page.events)
}
