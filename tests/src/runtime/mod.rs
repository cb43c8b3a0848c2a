//! A container runtime as far as CNI is concerned: network namespaces for pods, and the node's
//! plugin list executed as the CNI specification says (versions 0.4.0 to 1.1.0).
//!
//! ```text
//! pod_add: ip netns add -> lo up -> first conflist in /etc/cni/net.d -> each plugin ADD
//!          -> result kept in /var/lib/cni/results
//! pod_del: each plugin DEL, in reverse, with the kept result -> ip netns del
//! ```

mod conflist;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::lab::node::{Daemon, ExecOptions, Node};
use crate::lab::process::Output;
use conflist::ConfList;

const RESULT_FOLDER: &str = "/var/lib/cni/results";
const PLUGIN_FOLDER: &str = "/opt/cni/bin";
/// The interface that a pod gets.
pub const INTERFACE: &str = "eth0";
const DEADLINE: Duration = Duration::from_secs(30);

/// A pod: a network namespace that plugins have wired.
#[derive(Clone, Debug)]
pub struct Pod {
    node: Node,
    name: String,
    /// The result of the last plugin.
    pub result: Value,
}

/// An error that a plugin reported on its standard output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin} {command}: {message} (code {code}){details}")]
pub struct PluginError {
    /// Its `type`.
    pub plugin: String,
    /// ADD, DEL …
    pub command: String,
    /// The specification's or the plugin's number.
    pub code: u64,
    /// Short text.
    pub message: String,
    /// `": …"`, or nothing.
    pub details: String,
}

impl Pod {
    /// Makes the namespace and adds it to the network. What was made is removed on failure.
    /// A node without a plugin list is one whose network is not ready yet, as for any runtime:
    /// it is waited for.
    ///
    /// # Errors
    /// There is no plugin list in time, or a plugin refuses: see [`PluginError`].
    pub fn add(node: &Node, name: &str) -> Result<Self> {
        Self::add_within(node, name, DEADLINE)
    }

    /// As [`Pod::add`], with another deadline for the plugin list.
    ///
    /// # Errors
    /// As [`Pod::add`].
    pub fn add_within(node: &Node, name: &str, deadline: Duration) -> Result<Self> {
        let list = ConfList::wait(node, deadline)?;
        node.check(&["ip", "netns", "add", name])?;
        let mut pod = Self {
            node: node.clone(),
            name: name.to_owned(),
            result: Value::Null,
        };
        let added = pod.bring_lo_up().and_then(|()| pod.run_add(&list));
        if let Err(error) = added {
            // As containerd does: DEL after a failed ADD; the first error is the one to tell.
            let _ = pod.run_del(&list);
            let _ = node.check(&["ip", "netns", "del", name]);
            return Err(error);
        }
        Ok(pod)
    }

    /// A pod that an earlier [`Pod::add`] has made.
    ///
    /// # Errors
    /// There is no kept result for it.
    pub fn find(node: &Node, name: &str) -> Result<Self> {
        let list = ConfList::read(node)?;
        let mut pod = Self {
            node: node.clone(),
            name: name.to_owned(),
            result: Value::Null,
        };
        let path = pod.result_path(&list);
        let text = node
            .check(&["cat", &path])
            .with_context(|| format!("there is no pod {name}"))?;
        pod.result = serde_json::from_str(&text).with_context(|| path)?;
        Ok(pod)
    }

    /// Removes it from the network and removes its namespace. Can be repeated.
    ///
    /// # Errors
    /// A plugin refuses; the namespace then stays.
    pub fn del(&self) -> Result<()> {
        let list = ConfList::read(&self.node)?;
        self.run_del(&list)?;
        if self.node.path(&self.netns()).exists() {
            self.node.check(&["ip", "netns", "del", &self.name])?;
        }
        Ok(())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node that it runs on.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Path of its network namespace in the node.
    #[must_use]
    pub fn netns(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Its container id: of the length that runtimes use, the same for the same name.
    #[must_use]
    pub fn container_id(&self) -> String {
        container_id(&self.name)
    }

    /// Its addresses, by the result, in its order.
    ///
    /// # Errors
    /// The result has none, or one that cannot be read.
    pub fn ips(&self) -> Result<Vec<IpAddr>> {
        addresses(&self.result).with_context(|| format!("pod {}", self.name))
    }

    /// Its IPv4 address; where it has none, its IPv6 address.
    ///
    /// # Errors
    /// As [`Pod::ips`].
    pub fn ip(&self) -> Result<IpAddr> {
        self.ipv4().or_else(|_| self.ipv6())
    }

    /// Its IPv4 address.
    ///
    /// # Errors
    /// The result has none.
    pub fn ipv4(&self) -> Result<IpAddr> {
        let found = self.ips()?.into_iter().find(IpAddr::is_ipv4);
        found.with_context(|| format!("pod {} has no IPv4 address: {}", self.name, self.result))
    }

    /// Its IPv6 address.
    ///
    /// # Errors
    /// The result has none.
    pub fn ipv6(&self) -> Result<IpAddr> {
        let found = self.ips()?.into_iter().find(IpAddr::is_ipv6);
        found.with_context(|| format!("pod {} has no IPv6 address: {}", self.name, self.result))
    }

    /// Runs a command in the pod's network.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn exec<S: AsRef<str>>(&self, argv: &[S]) -> Result<Output> {
        self.exec_within(argv, DEADLINE)
    }

    /// As [`Pod::exec`], with a deadline.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn exec_within<S: AsRef<str>>(&self, argv: &[S], deadline: Duration) -> Result<Output> {
        let netns = self.netns();
        let options = ExecOptions {
            netns: Some(&netns),
            deadline: Some(deadline),
            ..Default::default()
        };
        self.node.exec_with(argv, &options)
    }

    /// Starts a daemon in the pod's network; its log is the node's.
    ///
    /// # Errors
    /// As [`Node::spawn`].
    pub fn spawn<S: AsRef<str>>(&self, name: &str, argv: &[S]) -> Result<Daemon> {
        let netns = self.netns();
        let options = ExecOptions {
            netns: Some(&netns),
            ..Default::default()
        };
        self.node
            .spawn(&format!("{}-{name}", self.name), argv, &options)
    }

    fn bring_lo_up(&self) -> Result<()> {
        self.exec(&["ip", "link", "set", "dev", "lo", "up"])?
            .ok()
            .map(drop)
    }

    fn result_path(&self, list: &ConfList) -> String {
        format!(
            "{RESULT_FOLDER}/{}-{}-{INTERFACE}",
            list.name,
            self.container_id()
        )
    }

    fn run_add(&mut self, list: &ConfList) -> Result<()> {
        let mut previous = None;
        for plugin in &list.plugins {
            let said = self.execute(list, plugin, "ADD", previous.as_ref())?;
            let result = serde_json::from_str(&said)
                .with_context(|| format!("the result is not JSON: {said:?}"))?;
            previous = Some(result);
        }
        self.result = previous.context("the list has no plugin")?;
        let script = format!(
            "mkdir -p {RESULT_FOLDER} && cat > {}",
            self.result_path(list)
        );
        let text = self.result.to_string();
        let options = ExecOptions {
            input: text.as_bytes(),
            ..Default::default()
        };
        self.node
            .exec_with(&["sh", "-c", &script], &options)?
            .ok()
            .map(drop)
    }

    fn run_del(&self, list: &ConfList) -> Result<()> {
        let path = self.result_path(list);
        let kept = self.node.exec(&["cat", &path])?.ok().ok();
        let previous = kept.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        for plugin in list.plugins.iter().rev() {
            self.execute(list, plugin, "DEL", previous.as_ref())?;
        }
        self.node.check(&["rm", "-f", &path]).map(drop)
    }

    fn execute(
        &self,
        list: &ConfList,
        plugin: &Map<String, Value>,
        command: &str,
        previous: Option<&Value>,
    ) -> Result<String> {
        let kind = plugin
            .get("type")
            .and_then(Value::as_str)
            .context("a plugin has no type")?;
        let mut config = plugin.clone();
        config.insert("name".to_owned(), list.name.clone().into());
        config.insert("cniVersion".to_owned(), list.version.clone().into());
        if let Some(previous) = previous {
            config.insert("prevResult".to_owned(), previous.clone());
        }
        // Sent only to plugins that declare capabilities, of which this runtime has none.
        config.remove("capabilities");
        let input = Value::Object(config).to_string();
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={}",
            self.name,
            self.container_id()
        );
        let env = [
            ("CNI_COMMAND", command.to_owned()),
            ("CNI_CONTAINERID", self.container_id()),
            ("CNI_NETNS", self.netns()),
            ("CNI_IFNAME", INTERFACE.to_owned()),
            ("CNI_ARGS", args),
            ("CNI_PATH", PLUGIN_FOLDER.to_owned()),
        ];
        let options = ExecOptions {
            env: env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            input: input.as_bytes(),
            ..Default::default()
        };
        let said = self
            .node
            .exec_with(&[format!("{PLUGIN_FOLDER}/{kind}")], &options)?;
        if said.success() {
            Ok(said.stdout)
        } else {
            Err(plugin_error(kind, command, &said))
        }
    }
}

/// A hash: names that are long, or begin alike, are different containers.
fn container_id(name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The addresses of a result of version 0.3.0 or later.
fn addresses(result: &Value) -> Result<Vec<IpAddr>> {
    let ips = result.get("ips").and_then(Value::as_array);
    let address = |ip: &Value| {
        let text = ip.get("address")?.as_str()?;
        Some(text.parse::<IpNetwork>().ok()?.ip())
    };
    let addresses: Option<Vec<IpAddr>> = ips.into_iter().flatten().map(address).collect();
    let addresses = addresses.filter(|addresses| !addresses.is_empty());
    addresses.with_context(|| format!("no addresses in the result {result}"))
}

fn plugin_error(plugin: &str, command: &str, said: &Output) -> anyhow::Error {
    let Ok(error) = serde_json::from_str::<Value>(&said.stdout) else {
        return anyhow::anyhow!(
            "plugin {plugin} {command}: {} without an error on its standard output\n{}{}",
            said.status,
            said.stdout,
            said.stderr
        );
    };
    let text = |key| {
        error
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let details = text("details");
    PluginError {
        plugin: plugin.to_owned(),
        command: command.to_owned(),
        code: error
            .get("code")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
        message: text("msg"),
        details: if details.is_empty() {
            details
        } else {
            format!(": {details}")
        },
    }
    .into()
}

/// Whether the node has a plugin list, which is when it can take pods.
#[must_use]
pub fn is_ready(node: &Node) -> bool {
    ConfList::read(node).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_names_that_begin_alike_are_different_containers() {
        let long = "a".repeat(60);
        let one = container_id(&format!("{long}1"));
        assert_ne!(one, container_id(&format!("{long}2")));
        assert_eq!(one, container_id(&format!("{long}1")));
        assert_eq!(one.len(), 64);
        assert_ne!(container_id("a"), container_id("a\0"));
    }

    #[test]
    fn addresses_of_both_families_are_found_in_their_order() {
        let both = json!({"ips": [{"address": "fd00::5/128"}, {"address": "10.244.1.5/32"}]});
        let found: Vec<String> = addresses(&both)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["fd00::5", "10.244.1.5"]);
        for bad in [
            json!(null),
            json!({"ips": []}),
            json!({"ips": [{"address": "10.244.1.5/32"}, {}]}),
            json!({"ips": [{"address": "10.244.1.500/32"}]}),
        ] {
            assert!(addresses(&bad).is_err(), "{bad}");
        }
    }
}
