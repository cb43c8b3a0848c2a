//! What has happened, newest last, in a bounded ring: `GET /v1/events`. [`record`](crate::record) fills it
//! with what is logged.
//!
//! Whoever follows asks again and again for what is after the last number that it has, and waits a little
//! for it; where the ring has forgotten some, it is told how many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::text::escape;

/// The version of this shape.
pub const VERSION: u32 = 1;
/// Events that are kept; older ones are forgotten.
pub const KEPT: usize = 1024;
/// Characters of a text that are kept.
const TEXT: usize = 500;
/// The longest wait for something new.
pub const WAIT: Duration = Duration::from_secs(4);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Info,
    /// Somebody should look.
    Warning,
    /// Something does not work.
    Error,
}

/// What is told of something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// How bad it is.
    pub severity: Severity,
    /// A word for scripts: `session`, `configuration`, `kernel`, ….
    pub kind: &'static str,
    /// Whose, as status names it.
    pub peer: Option<String>,
    /// Of which prefix or network.
    pub prefix: Option<String>,
    /// For people, one line.
    pub text: String,
}

/// One of them, as it is kept and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Counts from 1 with the daemon's start.
    pub number: u64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// How bad it is.
    pub severity: Severity,
    /// A word for scripts.
    pub kind: String,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Of which prefix or network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// For people, one line.
    pub text: String,
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EventsRequest {
    /// Those with greater numbers.
    pub after: u64,
    /// Those not before this time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// So many of the newest at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<usize>,
    /// If there is nothing yet, to wait a few seconds for something.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wait: bool,
}

impl EventsRequest {
    /// Where it is asked.
    #[must_use]
    pub fn uri(&self) -> String {
        // A query that cannot be made would be a mistake of ours: all events are asked for then.
        let query = serde_urlencoded::to_string(self).unwrap_or_default();
        format!("/v1/events?{query}")
    }
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventsPage {
    /// [`VERSION`].
    pub version: u32,
    /// When the daemon was started; another one counts from 1 again.
    pub started: String,
    /// In the order in which they happened.
    pub events: Vec<Event>,
    /// What to ask for `after` next.
    pub next: u64,
    /// Events after the wanted number that are forgotten already.
    pub forgotten: u64,
}

/// The ring; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Events {
    started: String,
    kept: Arc<Mutex<Kept>>,
    newest: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<(SystemTime, Event)>,
    /// Number of the newest.
    newest: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            started: rfc3339(SystemTime::now()),
            kept: Arc::default(),
            newest: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Events {
    /// Keeps it as of now. Texts of others may be in it: they are made harmless, and shortened.
    pub fn add(&self, news: News) {
        self.add_at(SystemTime::now(), news);
    }

    fn add_at(&self, now: SystemTime, news: News) {
        let mut text: String = escape(&news.text);
        if let Some((end, _)) = text.char_indices().nth(TEXT) {
            text.truncate(end);
            text.push('…');
        }
        let mut kept = self.lock();
        kept.newest += 1;
        let number = kept.newest;
        let event = Event {
            number,
            time: rfc3339(now),
            severity: news.severity,
            kind: news.kind.to_owned(),
            peer: news.peer.as_deref().map(escape),
            prefix: news.prefix,
            text,
        };
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back((now, event));
        drop(kept);
        self.newest.send_replace(number);
    }

    /// What is wanted of what there is; waits for it if that is wanted, for [`WAIT`] at most.
    ///
    /// # Errors
    /// `since` is no time.
    pub async fn page(&self, request: &EventsRequest) -> Result<EventsPage, String> {
        let since = request.since.as_deref().map(since).transpose()?;
        if request.wait {
            let mut newest = self.newest.subscribe();
            // Too late is an answer, too: nothing is new. The sender lives as long as `self`.
            let _ = timeout(WAIT, newest.wait_for(|newest| *newest > request.after)).await;
        }
        let kept = self.lock();
        let oldest = kept
            .events
            .front()
            .map_or(kept.newest + 1, |(_, event)| event.number);
        let mut events: Vec<Event> = kept
            .events
            .iter()
            .filter(|(at, event)| {
                event.number > request.after && since.is_none_or(|since| *at >= since)
            })
            .map(|(_, event)| event.clone())
            .collect();
        if let Some(last) = request.last {
            events.drain(..events.len().saturating_sub(last));
        }
        Ok(EventsPage {
            version: VERSION,
            started: self.started.clone(),
            events,
            // Who asks with the number of another daemon goes on with this one's.
            next: kept.newest,
            forgotten: oldest.saturating_sub(1).saturating_sub(request.after),
        })
    }

    /// What is done under the lock cannot panic half way.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn since(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339_weak(text).map_err(|error| {
        let text = escape(text);
        format!("since {text}: {error}; write a time like 2026-01-31T12:00:00Z\n")
    })
}

/// `2026-01-31T12:00:00.000Z`.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn news(text: &str) -> News {
        News {
            severity: Severity::Info,
            kind: "session",
            peer: Some("tor".to_owned()),
            prefix: None,
            text: text.to_owned(),
        }
    }

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn after(after: u64) -> EventsRequest {
        EventsRequest {
            after,
            ..EventsRequest::default()
        }
    }

    fn texts(page: &EventsPage) -> Vec<&str> {
        page.events
            .iter()
            .map(|event| event.text.as_str())
            .collect()
    }

    #[tokio::test]
    async fn the_newest_are_kept_and_the_forgotten_are_counted() {
        let events = Events::default();
        for number in 1..=KEPT + 10 {
            events.add_at(at(number as u64), news(&number.to_string()));
        }
        let page = events.page(&after(0)).await.unwrap();
        assert_eq!((page.events.len(), page.forgotten), (KEPT, 10));
        assert_eq!(page.events[0].number, 11);
        assert_eq!(page.next, KEPT as u64 + 10);
        let page = events.page(&after(4)).await.unwrap();
        assert_eq!(page.forgotten, 6);
        let page = events.page(&after(page.next)).await.unwrap();
        assert_eq!((texts(&page), page.forgotten), (vec![], 0));
        let last = EventsRequest {
            last: Some(2),
            ..EventsRequest::default()
        };
        assert_eq!(texts(&events.page(&last).await.unwrap()), ["1033", "1034"]);
    }

    #[tokio::test]
    async fn since_a_time() {
        let events = Events::default();
        for secs in [1, 2, 3] {
            events.add_at(at(secs), news(&secs.to_string()));
        }
        let since = |text: &str| EventsRequest {
            since: Some(text.to_owned()),
            ..EventsRequest::default()
        };
        let page = events.page(&since("1970-01-01T00:00:02Z")).await.unwrap();
        assert_eq!(texts(&page), ["2", "3"]);
        assert_eq!(page.events[0].time, "1970-01-01T00:00:02.000Z");
        let error = events.page(&since("yester\u{1b}day")).await.unwrap_err();
        assert!(
            error.contains("yester\\u{1b}day") && error.contains("T12:00:00Z"),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_the_next_one_at_once_or_of_nothing() {
        let events = Events::default();
        let wait = EventsRequest {
            wait: true,
            ..EventsRequest::default()
        };
        let begun = tokio::time::Instant::now();
        assert_eq!(texts(&events.page(&wait).await.unwrap()), [""; 0]);
        assert_eq!(begun.elapsed(), WAIT);
        let (page, ()) = tokio::join!(events.page(&wait), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            events.add(news("up"));
        });
        assert_eq!(texts(&page.unwrap()), ["up"]);
        assert_eq!(begun.elapsed(), WAIT + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn what_others_say_is_one_harmless_line_of_some_length() {
        let events = Events::default();
        events.add(News {
            peer: Some("t\u{1b}r".to_owned()),
            ..news(&format!("a\nb{}", "ö".repeat(600)))
        });
        let page = events.page(&after(0)).await.unwrap();
        let event = &page.events[0];
        assert_eq!(event.peer.as_deref(), Some("t\\u{1b}r"));
        assert!(event.text.starts_with("a\\nbö") && event.text.ends_with("ö…"));
        assert_eq!(event.text.chars().count(), TEXT + 1);
    }
}
