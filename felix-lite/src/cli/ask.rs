//! Questions to a running agent.

use std::path::Path;
use std::process::ExitCode;

use rcni_control::cli::{Output, colour};
use rcni_control::client::{AskError, Client};

use super::{REFUSED, complain, say};
use crate::control::model::Status;
use crate::control::{PROGRAM, render};

pub(super) fn status(socket: &Path, output: Output) -> ExitCode {
    let client = Client::new(PROGRAM, socket);
    let asked = block_on(async {
        let answer = client.get("/v1/status").await?;
        let status: Status = client.read(&answer)?;
        Ok((status, answer))
    });
    let (status, answer) = match asked {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    match output {
        Output::Table => say(render::text(&status, colour()).trim_end()),
        // As the agent said it: also what a newer one knows more.
        Output::Json => say(&String::from_utf8_lossy(&answer)),
    }
    match status.ready {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

pub(super) fn metrics(socket: &Path) -> ExitCode {
    let client = Client::new(PROGRAM, socket);
    match block_on(client.get("/metrics")) {
        Ok(text) => {
            say(String::from_utf8_lossy(&text).trim_end());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn block_on<T>(answer: impl Future<Output = Result<T, AskError>>) -> Result<T, ExitCode> {
    let refused = |text: String| {
        complain(&text);
        ExitCode::from(REFUSED)
    };
    let runtime = super::runtime().map_err(|error| refused(format!("{error:#}")))?;
    runtime
        .block_on(answer)
        .map_err(|error| refused(error.to_string()))
}
