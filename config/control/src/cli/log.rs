//! `rcni-bgp log`, `felix-lite log`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::print;
use crate::Program;
use crate::client::{AskError, Client};
use crate::log::{LevelOrder, LevelStatus};
use crate::text::escape;

/// Shows or changes what a running daemon logs.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// error, warn, info, debug, trace, or directives like MODULE=debug,info
    #[arg(value_name = "LEVEL", conflicts_with = "reset")]
    level: Option<String>,
    /// What it was at the daemon's start
    #[arg(long)]
    reset: bool,
    /// For so long (30s, 10m, 2h), then what it was at the daemon's start
    #[arg(long = "for", value_name = "TIME", requires = "level", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
}

impl Options {
    /// Does it.
    #[must_use]
    pub fn run(self, program: Program, socket: &Path) -> ExitCode {
        super::ask(program.name, async {
            let status = self.ask(Client::new(program, socket)).await?;
            print(&text(program.name, &status));
            Ok(())
        })
    }

    async fn ask(self, client: Client<'_>) -> Result<LevelStatus, AskError> {
        if self.level.is_none() && !self.reset {
            return client.read(&client.get("/v1/log").await?);
        }
        let order = LevelOrder {
            level: self.level,
            // Half a lifetime is for ever.
            seconds: self
                .time
                .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
        };
        client.read(&client.post("/v1/log", &order).await?)
    }
}

fn text(program: &str, status: &LevelStatus) -> String {
    let (level, at_start) = (escape(&status.level), escape(&status.at_start));
    if level == at_start {
        format!("log level {level}, as at the start\n")
    } else {
        format!("log level {level}; at the start it was {at_start} (`{program} log --reset`)\n")
    }
}
