//! What the plugin is called with: a script in its place writes it down and hands over to it.

use anyhow::{Context, Result};
use rcni_tests::Node;
use serde_json::Value;

const FILE: &str = "/tmp/cni-calls";

/// One line per call.
const RECORD: &str = r#"
set -eu
cat > /tmp/record <<'SCRIPT'
#!/bin/sh
input=$(cat)
echo "$CNI_COMMAND|${CNI_CONTAINERID:-}|${CNI_NETNS:-}|${CNI_ARGS:-}|$input" >>/tmp/cni-calls
printf '%s' "$input" | /usr/local/bin/rcni
SCRIPT
chmod +x /tmp/record
touch /tmp/cni-calls
mount --bind /tmp/record /opt/cni/bin/rcni
"#;

/// One execution of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) command: String,
    pub(crate) container: String,
    pub(crate) netns: String,
    pub(crate) args: String,
    /// The configuration on its standard input; null if there was none.
    pub(crate) config: Value,
}

/// The calls on a node, from now on.
pub(crate) struct Calls {
    node: Node,
}

impl Calls {
    pub(crate) fn record(node: &Node) -> Result<Self> {
        node.shell(RECORD)?;
        Ok(Self { node: node.clone() })
    }

    pub(crate) fn all(&self) -> Result<Vec<Call>> {
        let text = std::fs::read_to_string(self.node.path(FILE))?;
        let parse = |line: &str| {
            let mut fields = line.splitn(5, '|').map(str::to_owned);
            Some(Call {
                command: fields.next()?,
                container: fields.next()?,
                netns: fields.next()?,
                args: fields.next()?,
                config: serde_json::from_str(&fields.next()?).unwrap_or_default(),
            })
        };
        let calls: Option<Vec<Call>> = text.lines().map(parse).collect();
        calls.with_context(|| text.clone())
    }

    /// Their verbs only.
    pub(crate) fn commands(&self) -> Result<Vec<String>> {
        let all = self.all()?;
        Ok(all.into_iter().map(|call| call.command).collect())
    }
}
