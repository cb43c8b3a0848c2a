//! Log lines: to stderr, text or JSON, one per event; the level changes while the daemon runs.

mod quiet;
mod writer;

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::info;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

pub use quiet::Quiet;
pub use writer::Flush;

use crate::events::Events;
use crate::record::{Kind, Recorder};
use crate::text::escape;

/// The variable that sets the level where no option does.
pub const VARIABLE: &str = "RCNI_LOG";
/// The longest directives that are taken at run time, octets.
const DIRECTIVES: usize = 1_000;
/// What is logged if nobody says anything.
const DEFAULT: &str = "info";
const LEVELS: &str = "error, warn, info, debug or trace";

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; with colours on a terminal.
    #[default]
    Text,
    /// An object a line: `timestamp`, `level`, `message`, and the fields.
    Json,
}

/// What a daemon that has begun to log has of it.
#[derive(Debug)]
pub struct Begun {
    /// What is logged.
    pub levels: Levels,
    /// What was, from level info on, whatever level is written.
    pub events: Events,
    /// To be dropped last.
    pub flush: Flush,
}

/// Begins to log, and to record. `level` is a level or directives like `rcni_bgp::fib=debug,info`;
/// without, [`VARIABLE`] decides, and without that `info`. `thread` names the thread that writes, `kind`
/// what a part of the daemon records, by the path of its module.
///
/// # Errors
/// What cannot be understood, as a sentence.
pub fn begin(
    level: Option<&str>,
    format: Format,
    thread: &str,
    kind: Kind,
) -> Result<Begun, String> {
    let variable = std::env::var(VARIABLE).ok();
    let (source, directives) = match (level, variable.as_deref()) {
        (Some(level), _) => ("--log-level", level),
        (None, Some(level)) => (VARIABLE, level),
        (None, None) => ("", DEFAULT),
    };
    let filter = parse(directives).map_err(|error| format!("{source}: {error}"))?;
    let (lines, flush) = writer::start(thread).map_err(|error| format!("cannot log: {error}"))?;
    let (filter, handle) = reload::Layer::new(filter);
    let events = Events::default();
    let registry = tracing_subscriber::registry().with(Recorder::layer(events.clone(), kind));
    let lines = fmt::layer().with_writer(lines).with_target(false);
    let begun = match format {
        Format::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal());
            registry.with(lines.with_filter(filter)).try_init()
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true);
            registry.with(lines.with_filter(filter)).try_init()
        }
    };
    begun.map_err(|error| error.to_string())?;
    Ok(Begun {
        levels: Levels::new(Arc::new(handle), directives),
        events,
        flush,
    })
}

fn parse(directives: &str) -> Result<EnvFilter, String> {
    if directives.len() > DIRECTIVES {
        return Err(format!(
            "directives are longer than {DIRECTIVES} octets; write {LEVELS}"
        ));
    }
    EnvFilter::try_new(directives)
        .map_err(|error| format!("{}; write {LEVELS}", escape(&error.to_string())))
}

/// What is logged now, and the right to change it; a clone is the same.
#[derive(Clone)]
pub struct Levels {
    handle: Arc<dyn Reload>,
    now: Arc<Mutex<Now>>,
}

/// A handle of whatever subscriber.
trait Reload: Send + Sync {
    fn reload(&self, filter: EnvFilter) -> Result<(), String>;
}

impl<S: Send + Sync> Reload for reload::Handle<EnvFilter, S> {
    /// It fails only when the subscriber is gone, and that lives as long as the process.
    fn reload(&self, filter: EnvFilter) -> Result<(), String> {
        self.reload(filter).map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for Levels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Levels").field(&self.now).finish()
    }
}

#[derive(Debug)]
struct Now {
    at_start: String,
    directives: String,
    /// Grows with every change, so that a later one is not taken back.
    changes: u64,
}

/// What `POST /v1/log` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LevelOrder {
    /// A level or directives; null: those of the start.
    pub level: Option<String>,
    /// After so long it is again as at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// What `GET /v1/log` and `POST /v1/log` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LevelStatus {
    /// Now.
    pub level: String,
    /// At the start.
    pub at_start: String,
}

impl Levels {
    fn new(handle: Arc<dyn Reload>, directives: &str) -> Self {
        let now = Now {
            at_start: directives.to_owned(),
            directives: directives.to_owned(),
            changes: 0,
        };
        Self {
            handle,
            now: Arc::new(Mutex::new(now)),
        }
    }

    /// What is logged now.
    #[must_use]
    pub fn status(&self) -> LevelStatus {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        LevelStatus {
            level: now.directives.clone(),
            at_start: now.at_start.clone(),
        }
    }

    /// Changes it, for a while or until the next change. Must be called within a runtime.
    ///
    /// # Errors
    /// The level cannot be understood.
    pub fn order(&self, order: &LevelOrder) -> Result<LevelStatus, String> {
        let at_start = self.status().at_start;
        let directives = order.level.as_deref().unwrap_or(&at_start);
        let changes = self.set(directives)?;
        info!("log level by command: {}", escape(directives));
        if let Some(seconds) = order.seconds {
            let levels = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                levels.take_back(changes, &at_start);
            });
        }
        Ok(self.status())
    }

    fn set(&self, directives: &str) -> Result<u64, String> {
        let filter = parse(directives)?;
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(filter)?;
        directives.clone_into(&mut now.directives);
        now.changes += 1;
        Ok(now.changes)
    }

    /// Unless somebody has changed it since.
    fn take_back(&self, changes: u64, at_start: &str) {
        let is_last = {
            let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            now.changes == changes
        };
        if is_last && self.set(at_start).is_ok() {
            info!("log level as at the start: {at_start}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;

    fn levels() -> (Levels, reload::Layer<EnvFilter, Registry>) {
        let (layer, handle) = reload::Layer::new(parse("info").unwrap());
        (Levels::new(Arc::new(handle), "info"), layer)
    }

    fn order(level: Option<&str>, seconds: Option<u32>) -> LevelOrder {
        LevelOrder {
            level: level.map(str::to_owned),
            seconds,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_level_lasts_for_its_time_unless_another_one_comes() {
        let (levels, _layer) = levels();
        let pass = |secs| tokio::time::sleep(Duration::from_secs(secs));
        let status = levels.order(&order(Some("debug"), Some(60))).unwrap();
        assert_eq!((&*status.level, &*status.at_start), ("debug", "info"));
        pass(59).await;
        assert_eq!(levels.status().level, "debug");
        pass(2).await;
        assert_eq!(levels.status().level, "info");

        levels.order(&order(Some("trace"), Some(60))).unwrap();
        levels.order(&order(Some("warn"), None)).unwrap();
        pass(120).await;
        assert_eq!(levels.status().level, "warn");
        assert_eq!(levels.order(&order(None, None)).unwrap().level, "info");
    }

    #[tokio::test]
    async fn what_is_no_level_changes_nothing() {
        let (levels, _layer) = levels();
        for wrong in ["rcni=lo\u{1b}ud", &"a".repeat(2_000)] {
            let error = levels.order(&order(Some(wrong), None)).unwrap_err();
            assert!(
                error.contains("debug or trace") && !error.contains('\u{1b}'),
                "{error}"
            );
            assert_eq!(levels.status().level, "info");
        }
    }
}
