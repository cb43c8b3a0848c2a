//! The plugin list of a node.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::lab::node::Node;
use crate::wait_until;

/// Where runtimes look for plugin lists.
pub(super) const CONF_FOLDER: &str = "/etc/cni/net.d";

/// A plugin list as it lies in the node.
#[derive(Debug)]
pub(super) struct ConfList {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) plugins: Vec<Map<String, Value>>,
}

impl ConfList {
    /// The first one by name, as runtimes choose; none if there is none (yet).
    pub(super) fn find(node: &Node) -> Result<Option<Self>> {
        let names = node.exec(&["ls", CONF_FOLDER])?;
        let mut lists = names.stdout.lines();
        let Some(name) = lists.find(|name| name.ends_with(".conflist")) else {
            return Ok(None);
        };
        let text = node.check(&["cat", &format!("{CONF_FOLDER}/{name}")])?;
        let list = Self::parse(&text);
        list.map(Some)
            .with_context(|| format!("{CONF_FOLDER}/{name} on {}", node.name()))
    }

    pub(super) fn read(node: &Node) -> Result<Self> {
        Self::find(node)?
            .with_context(|| format!("no plugin list in {CONF_FOLDER} of {}", node.name()))
    }

    /// Waits for one; one that is there but wrong is an error at once.
    pub(super) fn wait(node: &Node, deadline: Duration) -> Result<Self> {
        let found = wait_until(deadline, "a plugin list", || match Self::find(node) {
            Ok(Some(list)) => Ok(Ok(list)),
            Ok(None) => Err("none"),
            Err(error) => Ok(Err(error)),
        });
        match found {
            Ok(found) => found,
            Err(_) => bail!(
                "no plugin list in {CONF_FOLDER} of {} after {} s; felix-lite writes it: see its \
                 log {}",
                node.name(),
                deadline.as_secs(),
                node.log_folder().join("rcni/felix-lite.log").display()
            ),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let string = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .with_context(|| key.to_owned())
        };
        let plugins = value
            .get("plugins")
            .and_then(Value::as_array)
            .context("plugins")?;
        let plugins = plugins
            .iter()
            .map(|plugin| plugin.as_object().cloned().context("a plugin"));
        Ok(Self {
            name: string("name")?,
            version: string("cniVersion")?,
            plugins: plugins.collect::<Result<_>>()?,
        })
    }
}
