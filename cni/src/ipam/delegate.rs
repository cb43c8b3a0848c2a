//! Another plugin's address management: found in `CNI_PATH`, run with our environment and our
//! whole stdin, its stderr going to ours.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{CniError, code};
use crate::netconf::{Families, route_destination, without_doubles};

/// DHCP takes its time; runtimes give up after two to four minutes.
const ANSWER_WAIT: Duration = Duration::from_secs(90);
/// The longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 1024 * 1024;

/// How a delegate is called.
#[derive(Clone, Debug)]
pub struct Delegate {
    /// The plugin's name: `ipam.type`.
    pub name: String,
    /// Our environment, which it gets but for the verb.
    pub environment: BTreeMap<OsString, OsString>,
    /// Our stdin.
    pub stdin: Vec<u8>,
}

/// What it gave.
#[derive(Debug, PartialEq)]
pub struct Given {
    /// The pod's addresses.
    pub addresses: Vec<IpAddr>,
    /// Where the pod's routes lead. Its gateways are not kept: every route of a pod goes through
    /// the host end, whatever network the delegate has in mind.
    pub routes: Vec<IpNetwork>,
    /// For the result.
    pub dns: Option<Value>,
}

#[derive(Deserialize)]
struct RawResult {
    #[serde(default)]
    ips: Vec<RawIp>,
    #[serde(default)]
    routes: Option<Vec<RawRoute>>,
    #[serde(default)]
    dns: Option<Value>,
}

#[derive(Deserialize)]
struct RawIp {
    address: IpNetwork,
}

#[derive(Deserialize)]
struct RawRoute {
    dst: String,
}

#[derive(Deserialize)]
struct RawError {
    code: u32,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    details: String,
}

impl Delegate {
    /// Asks for addresses. If what comes back cannot be used, the delegate is told DEL.
    ///
    /// # Errors
    /// The delegate's own error, or ours about its answer.
    pub fn add(&self) -> Result<Given, CniError> {
        let outcome = self.execute("ADD").and_then(|answer| self.read(&answer));
        outcome.map_err(|error| match self.del() {
            Ok(()) => error,
            Err(further) => error.and(&[format!("its DEL failed too: {}", further.msg)]),
        })
    }

    /// Gives the addresses back.
    ///
    /// # Errors
    /// The delegate's own error, or that it cannot be run.
    pub fn del(&self) -> Result<(), CniError> {
        self.execute("DEL").map(drop)
    }

    /// Asks whether the addresses are still as ADD gave them.
    ///
    /// # Errors
    /// The delegate's own error, or that it cannot be run.
    pub fn check(&self) -> Result<(), CniError> {
        self.execute("CHECK").map(drop)
    }

    fn read(&self, answer: &[u8]) -> Result<Given, CniError> {
        let unusable = |reason: String| {
            CniError::new(
                code::DELEGATE,
                format!("IPAM plugin {}: {reason}", self.name),
                "its addresses were given back; see its configuration under \"ipam\"",
            )
        };
        let raw: RawResult = serde_json::from_slice(answer)
            .map_err(|error| unusable(format!("its answer is not a result: {error}")))?;
        let addresses: Vec<IpAddr> = raw.ips.iter().map(|ip| ip.address.ip()).collect();
        if addresses.is_empty() {
            return Err(unusable("it gave no address".into()));
        }
        let families = Families::of(&addresses);
        let routes = match raw.routes.filter(|routes| !routes.is_empty()) {
            None => families.default_routes(),
            // Its configuration may serve several nodes: a route without an address to go with it
            // is left out.
            Some(routes) => routes
                .iter()
                .map(|route| route_destination(&route.dst))
                .filter(|to| to.as_ref().map_or(true, |to| families.cover(to)))
                .collect::<Result<Vec<_>, _>>()?,
        };
        Ok(Given {
            addresses: without_doubles(&addresses),
            routes: without_doubles(&routes),
            dns: raw.dns,
        })
    }

    fn execute(&self, verb: &str) -> Result<Vec<u8>, CniError> {
        let program = self.find()?;
        let failed = |reason: String| {
            CniError::new(
                code::DELEGATE,
                format!("IPAM plugin {}: {reason}", program.display()),
                format!("run it by hand with CNI_COMMAND={verb} to see why"),
            )
        };
        let mut child = Command::new(&program)
            .env_clear()
            .envs(&self.environment)
            .env("CNI_COMMAND", verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let answer = self.converse(&mut child);
        let status = finish(&mut child, answer.is_some());
        let answer = answer
            .ok_or_else(|| failed(format!("no answer within {} s", ANSWER_WAIT.as_secs())))?;
        match status {
            Some(status) if status.success() => Ok(answer),
            status => Err(serde_json::from_slice::<RawError>(&answer).map_or_else(
                |_| failed(format!("{verb} ended with {}", describe(status))),
                |own| CniError::new(own.code, own.msg, own.details),
            )),
        }
    }

    /// Feeds stdin and reads stdout at the same time, each in a thread, so that neither side can
    /// wait for the other for ever. `None` if it takes too long.
    fn converse(&self, child: &mut Child) -> Option<Vec<u8>> {
        if let Some(mut stdin) = child.stdin.take() {
            let bytes = self.stdin.clone();
            // A delegate that does not read all of it is none of our business.
            thread::spawn(move || drop(stdin.write_all(&bytes)));
        }
        let stdout = child.stdout.take()?;
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let mut answer = Vec::new();
            let _ = stdout.take(ANSWER_MAX).read_to_end(&mut answer);
            let _ = sender.send(answer);
        });
        receiver.recv_timeout(ANSWER_WAIT).ok()
    }

    fn find(&self) -> Result<PathBuf, CniError> {
        let path = self.environment.get(&OsString::from("CNI_PATH"));
        let path = path.cloned().unwrap_or_default();
        std::env::split_paths(&path)
            .filter(|folder| !folder.as_os_str().is_empty())
            .map(|folder| folder.join(&self.name))
            .find(|file| {
                file.metadata()
                    .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
            })
            .ok_or_else(|| {
                CniError::new(
                    code::DELEGATE,
                    format!(
                        "IPAM plugin {} is not in CNI_PATH {}",
                        self.name,
                        path.display()
                    ),
                    "install it there, or write \"type\": \"rcni\" under \"ipam\"",
                )
            })
    }
}

/// Waits for the end of a child that closed its stdout; ends one that did not answer, or that stays.
fn finish(child: &mut Child, answered: bool) -> Option<ExitStatus> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while answered && Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => thread::sleep(Duration::from_micros(300)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    child.wait().ok()
}

fn describe(status: Option<ExitStatus>) -> String {
    status.map_or_else(
        || "an unknown state".to_owned(),
        |status| status.to_string(),
    )
}
