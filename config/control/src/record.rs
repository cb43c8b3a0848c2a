//! What is logged from level info on, kept as events.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::events::{Events, News, Severity};

/// The word for what a part of the daemon records, by the path of its module (`rcni_bgp::fib::task`).
pub type Kind = fn(&str) -> &'static str;

/// Keeps them.
#[derive(Debug)]
pub(crate) struct Recorder {
    events: Events,
    kind: Kind,
}

impl Recorder {
    /// For a subscriber, whatever its other layers want.
    pub(crate) fn layer<S>(events: Events, kind: Kind) -> impl Layer<S>
    where
        S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    {
        Self { events, kind }.with_filter(LevelFilter::INFO)
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let severity = match *event.metadata().level() {
            Level::ERROR => Severity::Error,
            Level::WARN => Severity::Warning,
            _ => Severity::Info,
        };
        self.events.add(News {
            severity,
            kind: (self.kind)(event.metadata().target()),
            // The log writes this where no peer is meant.
            peer: line.peer.filter(|peer| peer != "-"),
            prefix: line.prefix,
            text: line.message + &line.fields,
        });
    }
}

/// What a line says: peer and prefix are fields of their own, the others follow the message.
#[derive(Debug, Default)]
struct Line {
    message: String,
    peer: Option<String>,
    prefix: Option<String>,
    fields: String,
}

impl Line {
    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "peer" => self.peer = Some(value),
            "prefix" => self.prefix = Some(value),
            // Writing to a string cannot fail.
            name => drop(write!(self.fields, " {name}={value}")),
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug, error, info, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::events::EventsRequest;

    #[tokio::test]
    async fn what_is_logged_is_kept_with_its_fields_whatever_is_written() {
        let events = Events::default();
        let kind = |target: &str| {
            if target.ends_with("fib") {
                "kernel"
            } else {
                "session"
            }
        };
        // The lines themselves: errors only.
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::sink)
            .with_filter(LevelFilter::ERROR);
        let subscriber = tracing_subscriber::registry()
            .with(Recorder::layer(events.clone(), kind))
            .with(lines);
        tracing::subscriber::with_default(subscriber, || {
            warn!(
                peer = "tor",
                "Established -> Idle: {}", "hold timer expired"
            );
            info!(target: "rcni_bgp::fib", prefix = %"10.0.0.0/8", by = 7, "put back");
            debug!("not this one");
            error!(peer = "-", "no room");
        });
        let page = events.page(&EventsRequest::default()).await.unwrap();
        let told: Vec<_> = page
            .events
            .iter()
            .map(|event| {
                let (peer, prefix) = (event.peer.as_deref(), event.prefix.as_deref());
                (event.severity, &*event.kind, peer, prefix, &*event.text)
            })
            .collect();
        let expired = "Established -> Idle: hold timer expired";
        assert_eq!(
            told,
            [
                (Severity::Warning, "session", Some("tor"), None, expired),
                (
                    Severity::Info,
                    "kernel",
                    None,
                    Some("10.0.0.0/8"),
                    "put back by=7"
                ),
                (Severity::Error, "session", None, None, "no room"),
            ]
        );
    }
}
