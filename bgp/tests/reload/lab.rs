//! The daemon under test, its file, and the others.

#![allow(unreachable_pub)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::{Daemon, Namespace, PROGRAM, pair, wait};

/// What of the file changes; the rest is always the same.
pub struct File {
    pub networks: &'static str,
    /// Further fields of BGPConfiguration, each with a comma before it.
    pub speaker: &'static str,
    /// The same of the peer `two`.
    pub two: &'static str,
    /// Of the filter of `two`.
    pub action: &'static str,
    pub three: bool,
}

impl Default for File {
    fn default() -> Self {
        Self {
            networks: "{cidr: 10.244.1.0/24}",
            speaker: "",
            two: "",
            action: "Accept",
            three: true,
        }
    }
}

impl File {
    pub fn text(&self) -> String {
        let Self {
            networks,
            speaker,
            two,
            action,
            three,
        } = self;
        let mut text = format!(
            "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: 65001, routerID: 10.0.0.1, networks: [{networks}]{speaker}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: two}}
spec: {{peerIP: 10.0.0.2, asNumber: 65002, connectRetrySeconds: 1, filters: [two]{two}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {{name: two}}
spec:
  importV4: [{{action: {action}}}]
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {{name: all}}
spec:
  importV4: [{{action: Accept}}]
"
        );
        if *three {
            text.push_str(
                "---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: three}
spec: {peerIP: 10.0.0.3, asNumber: 65003, connectRetrySeconds: 1, filters: [all]}
",
            );
        }
        text
    }
}

/// One of the others.
pub fn other(number: u8, more: &str) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec:
  asNumber: 6500{number}
  routerID: 10.0.0.{number}
  bindAddresses: [10.0.0.{number}]
  networks: [{{cidr: 10.{number}.0.0/16}}]
  kernel: {{install: false}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: hub}}
spec:
  {{peerIP: 10.0.0.1, asNumber: 65001, sourceAddress: 10.0.0.{number}, connectRetrySeconds: 1{more}}}
"
    )
}

pub struct Lab {
    pub folder: tempfile::TempDir,
    pub hub: Daemon,
    pub here: Namespace,
    pub there: Namespace,
    pub others: [Daemon; 2],
}

impl Lab {
    pub fn start(file: &File) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = pair();
        there.ip("address add 10.0.0.3/24 dev eth0");
        let hub = Daemon::start(&here, folder.path(), "hub", &file.text());
        let others = [2, 3].map(|number| {
            let name = format!("other-{number}");
            Daemon::start(&there, folder.path(), &name, &other(number, ""))
        });
        let lab = Self {
            folder,
            hub,
            here,
            there,
            others,
        };
        lab.is_up("two");
        lab.is_up("three");
        lab.routes_are(&["10.2.0.0/16", "10.3.0.0/16"]);
        lab
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("hub.yaml")
    }

    pub fn write(&self, file: &File) {
        fs::write(self.file(), file.text()).unwrap();
    }

    /// By the daemon's own word.
    pub fn peer(&self, name: &str) -> Option<Value> {
        let json = self.hub.json()?;
        let peers = json["peers"].as_array()?;
        peers.iter().find(|peer| peer["name"] == name).cloned()
    }

    pub fn is_up(&self, name: &str) -> Value {
        wait(&format!("{name} is up"), || {
            self.peer(name)
                .filter(|peer| peer["state"] == "Established")
        })
    }

    pub fn times(&self, name: &str) -> u64 {
        self.peer(name).unwrap()["established"].as_u64().unwrap()
    }

    pub fn routes_are(&self, prefixes: &[&str]) {
        wait(&format!("the routes are {prefixes:?}"), || {
            let routes = self.here.own_routes();
            let first = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
            let mut routes: Vec<String> = routes.iter().map(first).collect();
            routes.sort();
            (routes == prefixes).then_some(())
        });
    }

    /// What one of the others has from the hub.
    pub fn receives(&self, index: usize, count: u64) {
        wait(&format!("other {index} has {count} prefixes"), || {
            let json = self.others[index].json()?;
            (json["peers"][0]["prefixes"]["received"] == count).then_some(())
        });
    }

    pub fn configuration(&self) -> Value {
        self.hub.json().unwrap()["configuration"].clone()
    }

    pub fn is_refused(&self) -> Value {
        wait("the file is refused", || {
            let refused = self.configuration()["refused"].clone();
            (!refused.is_null()).then_some(refused)
        })
    }

    pub fn is_fine(&self) {
        wait("the file is fine", || {
            self.configuration()["refused"].is_null().then_some(())
        });
    }

    pub fn order(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .arg("--socket")
            .arg(&self.hub.socket)
            .output()
            .unwrap()
    }

    /// `check --against-running` of this candidate: what it prints and its exit code.
    pub fn compared(&self, file: &File) -> (String, Option<i32>) {
        let path = self.folder.path().join("candidate.yaml");
        fs::write(&path, file.text()).unwrap();
        let output = self.order(&["check", path.to_str().unwrap(), "--against-running"]);
        (said(&output), output.status.code())
    }
}

pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
