//! `rcni-bgp events`, `felix-lite events`.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use super::{Output, colour, complain, print};
use crate::Program;
use crate::client::{AskError, Client};
use crate::events::{Event, EventsPage, EventsRequest, Severity, rfc3339};
use crate::jitter::jitter;
use crate::text::escape;

/// Between two questions of one that follows a daemon that has gone.
const PAUSE: Duration = Duration::from_secs(2);

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Shows what has happened.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Go on with what happens, until Ctrl-C; also over a restart of the daemon
    #[arg(short, long)]
    follow: bool,
    /// Only since then: an age like 10m or 2h, or a time like 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,
    /// Only so many of the newest
    #[arg(short = 'n', long, value_name = "COUNT")]
    last: Option<usize>,
    /// Only of this peer, as status names it
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// Only of this kind, as the lines have it
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// table for people, json for programs; with --follow an object a line
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(age) = humantime::parse_duration(text) {
        return SystemTime::now()
            .checked_sub(age)
            .ok_or_else(|| format!("{age:?} ago there was no time yet"));
    }
    humantime::parse_rfc3339_weak(text)
        .map_err(|_| "write an age like 10m or 2h, or a time like 2026-01-31T12:00:00Z".to_owned())
}

/// A page and its text as it came.
async fn page(
    client: Client<'_>,
    request: &EventsRequest,
) -> Result<(EventsPage, Vec<u8>), AskError> {
    let answer = client.get(&request.uri()).await?;
    Ok((client.read(&answer)?, answer.to_vec()))
}

impl Options {
    /// Does it.
    #[must_use]
    pub fn run(&self, program: Program, socket: &Path) -> ExitCode {
        let client = Client::new(program, socket);
        super::ask(program.name, async {
            tokio::select! {
                ended = self.show(program, client) => ended,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    }

    async fn show(&self, program: Program, client: Client<'_>) -> Result<(), AskError> {
        let mut request = EventsRequest {
            since: self.since.map(rfc3339),
            // Of those that are wanted: counted here where not all are.
            last: self.last.filter(|_| !self.is_filtered()),
            ..EventsRequest::default()
        };
        let (first, answer) = page(client, &request).await?;
        if !self.follow {
            self.print_all(first, &answer);
            return Ok(());
        }
        let mut started = first.started;
        request.after = first.next;
        self.print_lines(first.events, self.last);
        (request.last, request.wait) = (None, true);
        let mut waits = false;
        loop {
            let page = match page(client, &request).await {
                Ok((page, _)) => page,
                Err(error) if error.may_pass() => {
                    if !waits {
                        complain(program.name, &format!("{error}; waiting for it"));
                    }
                    waits = true;
                    tokio::time::sleep(jitter(PAUSE)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            waits = false;
            if page.started != started {
                // Another daemon counts from the beginning.
                let text = format!("the daemon was started again at {}", escape(&page.started));
                complain(program.name, &text);
                started = page.started;
                request.after = 0;
                continue;
            }
            if page.forgotten > 0 {
                let text = format!("{} events were too many to be kept", page.forgotten);
                complain(program.name, &text);
            }
            request.after = page.next;
            self.print_lines(page.events, None);
        }
    }

    fn is_filtered(&self) -> bool {
        self.peer.is_some() || self.kind.is_some()
    }

    fn wants(&self, event: &Event) -> bool {
        let peer = |peer: &String| event.peer.as_ref() == Some(peer);
        let kind = |kind: &String| event.kind == *kind;
        self.peer.as_ref().is_none_or(peer) && self.kind.as_ref().is_none_or(kind)
    }

    fn wanted(&self, mut events: Vec<Event>, last: Option<usize>) -> Vec<Event> {
        events.retain(|event| self.wants(event));
        let more = events.len().saturating_sub(last.unwrap_or(usize::MAX));
        events.drain(..more);
        events
    }

    fn print_all(&self, mut page: EventsPage, answer: &[u8]) {
        if self.output == Output::Table {
            self.print_lines(page.events, self.last);
        } else if self.is_filtered() {
            page.events = self.wanted(page.events, self.last);
            // Strings and numbers always fit.
            print(&format!(
                "{}\n",
                serde_json::to_string(&page).unwrap_or_default()
            ));
        } else {
            // As the daemon said it: also what a newer daemon knows more.
            print(&format!("{}\n", String::from_utf8_lossy(answer)));
        }
    }

    fn print_lines(&self, events: Vec<Event>, last: Option<usize>) {
        let colour = colour();
        let mut out = String::new();
        for event in self.wanted(events, last) {
            match self.output {
                Output::Table => out.push_str(&line(&event, colour)),
                // As above.
                Output::Json => out.push_str(&serde_json::to_string(&event).unwrap_or_default()),
            }
            out.push('\n');
        }
        print(&out);
    }
}

/// One event for people. The daemon has escaped what it says; another one may not have.
fn line(event: &Event, colour: bool) -> String {
    let (paint, plain) = match (colour, event.severity) {
        (true, Severity::Error) => (RED, PLAIN),
        (true, Severity::Warning) => (YELLOW, PLAIN),
        _ => ("", ""),
    };
    let time = escape(&event.time);
    let kind = escape(&event.kind);
    let of = [event.peer.as_deref(), event.prefix.as_deref()];
    let of: String = of
        .into_iter()
        .flatten()
        .map(|of| format!("{}: ", escape(of)))
        .collect();
    format!(
        "{time} {kind:<13} {of}{paint}{}{plain}",
        escape(&event.text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_time_kind_peer_and_prefix_and_moves_no_cursor() {
        let event = Event {
            number: 7,
            time: "2026-01-31T12:00:00.000Z".to_owned(),
            severity: Severity::Warning,
            kind: "session".to_owned(),
            peer: Some("tor".to_owned()),
            prefix: None,
            text: "Established -> Idle\u{1b}".to_owned(),
        };
        assert_eq!(
            line(&event, false),
            "2026-01-31T12:00:00.000Z session       tor: Established -> Idle\\u{1b}"
        );
        let painted = line(&event, true);
        assert!(
            painted.contains(YELLOW) && painted.ends_with(PLAIN),
            "{painted:?}"
        );
    }

    #[test]
    fn since_is_an_age_or_a_time() {
        let age = since("10m").unwrap().elapsed().unwrap();
        assert!((600..605).contains(&age.as_secs()), "{age:?}");
        let time = since("1970-01-01T00:01:00Z").unwrap();
        assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        assert!(since("yesterday").unwrap_err().contains("10m or 2h"));
    }
}
