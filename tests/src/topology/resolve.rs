//! Inheritance (node > group > kind > defaults) and the checks that the schema cannot express.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_saphyr::Spanned;

use super::{
    BindSpec, DEFAULT_LINK_MTU, Endpoint, ExecSpec, LinkSpec, NODE_NAME, NodeSpec, Problem,
    SettingSpec, Topology, TopologyError,
};
use super::{binds, raw};
use crate::images;

/// Names longer than this do not fit into the kernel's interface name (IFNAMSIZ less the NUL).
const INTERFACE_NAME_MAX: usize = 15;
/// Longest host name that the kernel takes.
const HOST_NAME_MAX: usize = 64;
/// veth's own limit, in bytes.
const MTU_MAX: u32 = 65535;

pub(super) fn resolve(file: &Path, folder: &Path, text: &str) -> Result<Topology, TopologyError> {
    let mut problems = Problems {
        file: file.to_owned(),
        found: Vec::new(),
    };
    refuse_shell_variables(text, &mut problems);
    let raw: raw::File = match serde_saphyr::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            problems.add_yaml(&error);
            return Err(TopologyError(problems.found));
        }
    };
    let body = &raw.topology.value;
    if !is_name(&raw.name.value) {
        problems.add(
            line(&raw.name),
            "name: only letters, digits, '-', '_' and '.' are allowed",
        );
    }
    let mut nodes = Vec::new();
    for (name, node) in &body.nodes {
        let parts = Parts::new(body, name, node, &mut problems);
        nodes.push(parts.resolve(folder, &mut problems));
    }
    if body.nodes.is_empty() {
        problems.add(
            line(&raw.topology),
            "topology.nodes: a lab needs at least one node",
        );
    }
    let links = links(body, &mut problems);
    if problems.found.is_empty() {
        Ok(Topology {
            name: raw.name.value,
            file: file.to_owned(),
            nodes,
            links,
        })
    } else {
        problems.found.sort_by_key(|problem| problem.line);
        Err(TopologyError(problems.found))
    }
}

struct Problems {
    file: PathBuf,
    found: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, line: u64, message: impl Into<String>) {
        self.found.push(Problem {
            file: self.file.clone(),
            line,
            message: message.into(),
        });
    }

    fn add_yaml(&mut self, error: &serde_saphyr::Error) {
        let line = error.location().map_or(0, |location| location.line());
        let text = error.without_snippet().to_string();
        let text = text.lines().next().unwrap_or_default();
        // The place is told in front of it.
        let text = text.split(" at line ").next().unwrap_or_default();
        let mut message = match text.strip_prefix("duplicate mapping key: ") {
            // What follows the key is advice to programmers.
            Some(rest) => {
                let key = rest.split(", set ").next().unwrap_or_default();
                format!("{key} is there twice; only one can be meant")
            }
            None => text.to_owned(),
        };
        if message.contains("unknown field") {
            message.push_str(
                "; the lab honours or ignores only these keys, see tests/README.md for what it \
                 leaves out",
            );
        }
        self.add(line, message);
    }
}

fn line<T>(value: &Spanned<T>) -> u64 {
    value.referenced.line()
}

/// containerlab replaces `$NAME` and `${NAME}` in the whole file from its environment, so a
/// file that contains them means something else on every machine.
fn refuse_shell_variables(text: &str, problems: &mut Problems) {
    for (number, content) in (1u64..).zip(text.lines()) {
        let mut rest = content;
        while let Some((_, after)) = rest.split_once('$') {
            if after.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()) {
                problems.add(
                    number,
                    "containerlab would replace `$…` from its environment; write the value, or \
                     put the script into a file and bind it",
                );
                break;
            }
            rest = after;
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// What is said about one node, the most particular first.
struct Parts<'a> {
    name: &'a str,
    line: u64,
    layers: Vec<&'a raw::Node>,
}

impl<'a> Parts<'a> {
    fn new(
        body: &'a raw::Body,
        name: &'a str,
        node: &'a Spanned<Option<raw::Node>>,
        problems: &mut Problems,
    ) -> Self {
        // The value of `node1:` starts one line below it when it is a block; name what is there.
        let at = line(node);
        let own = node.value.as_ref();
        let defaults = body.defaults.as_ref();
        let first = |get: fn(&raw::Node) -> Option<&Spanned<String>>,
                     layers: &[Option<&'a raw::Node>]| {
            layers
                .iter()
                .flatten()
                .find_map(|layer| get(layer).cloned())
        };
        let of_kind = |kind: Option<&Spanned<String>>| {
            kind.and_then(|kind| body.kinds.get(&kind.value))
                .and_then(Option::as_ref)
        };
        let kind_of_node = first(|n| n.kind.as_ref(), &[own, defaults]);
        let group = first(
            |n| n.group.as_ref(),
            &[own, of_kind(kind_of_node.as_ref()), defaults],
        );
        let group_layer = group.as_ref().and_then(|group| {
            let found = body.groups.get(&group.value);
            if found.is_none() {
                problems.add(
                    line(group),
                    format!("node {name}: group {} is not defined", group.value),
                );
            }
            found.and_then(Option::as_ref)
        });
        let kind = first(|n| n.kind.as_ref(), &[own, group_layer, defaults]);
        match &kind {
            Some(kind) if kind.value == "linux" => {}
            Some(kind) => problems.add(
                line(kind),
                format!(
                    "node {name}: kind {} cannot be a namespace; the lab knows linux",
                    kind.value
                ),
            ),
            None => problems.add(at, format!("node {name}: has no kind; write `kind: linux`")),
        }
        let layers = [own, group_layer, of_kind(kind.as_ref()), defaults];
        Self {
            name,
            line: at,
            layers: layers.into_iter().flatten().collect(),
        }
    }

    fn scalar<T>(&self, get: fn(&raw::Node) -> Option<&Spanned<T>>) -> Option<&'a Spanned<T>> {
        self.layers.iter().copied().find_map(get)
    }

    fn resolve(&self, folder: &Path, problems: &mut Problems) -> NodeSpec {
        let name = self.name;
        if !is_name(name) || name.len() > HOST_NAME_MAX {
            problems.add(
                self.line,
                format!("node {name:?}: the name cannot be a host name"),
            );
        }
        match self.scalar(|n| n.network_mode.as_ref()) {
            Some(mode) if mode.value == "none" => {}
            Some(mode) => problems.add(
                line(mode),
                format!(
                    "node {name}: network-mode {}: the lab can only do `none`",
                    mode.value
                ),
            ),
            None => problems.add(
                self.line,
                format!(
                    "node {name}: the lab has no management network; write `network-mode: none`"
                ),
            ),
        }
        if let Some(privileged) = self.scalar(|n| n.privileged.as_ref())
            && privileged.value.text() != "true"
        {
            problems.add(
                line(privileged),
                format!(
                    "node {name}: privileged: {}: the lab's nodes are privileged; leave it out \
                     or write `true`",
                    privileged.value.text()
                ),
            );
        }
        NodeSpec {
            name: name.to_owned(),
            line: self.line,
            image: self.image(problems),
            entrypoint: self.command(|n| n.entrypoint.as_ref(), problems),
            cmd: self.command(|n| n.cmd.as_ref(), problems),
            exec: self.exec(problems),
            binds: self.binds(folder, problems),
            env: self
                .map(|n| &n.env, |_| Ok(()), problems)
                .into_iter()
                .map(|(key, setting)| (key, setting.value))
                .collect(),
            sysctls: self.map(|n| &n.sysctls, check_sysctl, problems),
        }
    }

    fn image(&self, problems: &mut Problems) -> String {
        let Some(image) = self.scalar(|n| n.image.as_ref()) else {
            problems.add(self.line, format!("node {}: has no image", self.name));
            return String::new();
        };
        if images::find(&image.value).is_none() {
            problems.add(
                line(image),
                format!(
                    "node {}: no local program stands for image {}; known: {}",
                    self.name,
                    image.value,
                    images::known()
                ),
            );
        }
        image.value.clone()
    }

    fn command(
        &self,
        get: fn(&raw::Node) -> Option<&Spanned<String>>,
        problems: &mut Problems,
    ) -> Option<ExecSpec> {
        let text = self.scalar(get)?;
        if text.value.contains("__clab") {
            problems.add(line(text), "variables are replaced in binds and exec only");
        }
        Some(ExecSpec {
            line: line(text),
            argv: split(text, &text.value, problems)?,
        })
    }

    /// All of them: the defaults' first, the node's own last, as containerlab does.
    fn exec(&self, problems: &mut Problems) -> Vec<ExecSpec> {
        let all = self.layers.iter().rev().flat_map(|layer| &layer.exec);
        let mut resolved = Vec::new();
        for text in all {
            let command = text.value.replace(NODE_NAME, self.name);
            if command.contains("__clab") {
                problems.add(
                    line(text),
                    format!("exec: only {NODE_NAME} is replaced here"),
                );
            }
            if let Some(argv) = split(text, &command, problems) {
                resolved.push(ExecSpec {
                    line: line(text),
                    argv,
                });
            }
        }
        resolved
    }

    /// One bind per target; the more particular layer wins.
    fn binds(&self, folder: &Path, problems: &mut Problems) -> Vec<BindSpec> {
        let mut by_target = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            let mut seen = BTreeSet::new();
            for text in &layer.binds {
                match binds::parse(&text.value, self.name, folder) {
                    Ok((_, target, _)) if !seen.insert(target.clone()) => problems.add(
                        line(text),
                        format!("binds: {} is bound twice", target.display()),
                    ),
                    Ok((source, target, read_only)) => {
                        let spec = BindSpec {
                            line: line(text),
                            source,
                            target: target.clone(),
                            read_only,
                        };
                        by_target.insert(target, spec);
                    }
                    Err(message) => problems.add(line(text), format!("binds: {message}")),
                }
            }
        }
        // Sorted by target: a folder comes before what is bound into it.
        by_target.into_values().collect()
    }

    fn map(
        &self,
        get: fn(&raw::Node) -> &BTreeMap<String, Spanned<raw::Scalar>>,
        check: fn(&str) -> Result<(), String>,
        problems: &mut Problems,
    ) -> BTreeMap<String, SettingSpec> {
        let mut merged = BTreeMap::new();
        for (key, value) in self.layers.iter().rev().flat_map(|layer| get(layer)) {
            let text = value.value.text();
            if let Err(message) = check(key) {
                problems.add(line(value), message);
            }
            if text.contains("__clab") || key.is_empty() || key.contains(['=', '\0']) {
                problems.add(
                    line(value),
                    format!("{key:?}: not a value that a node can have"),
                );
            }
            let setting = SettingSpec {
                line: line(value),
                value: text,
            };
            merged.insert(key.clone(), setting);
        }
        merged
    }
}

fn split(at: &Spanned<String>, text: &str, problems: &mut Problems) -> Option<Vec<String>> {
    let argv = shlex::split(text).filter(|argv| !argv.is_empty());
    if argv.is_none() {
        problems.add(
            line(at),
            format!("{text:?} is not a command: empty, or a quote is open"),
        );
    }
    argv
}

/// Only `net.*` belongs to a node; anything else would change the machine.
fn check_sysctl(key: &str) -> Result<(), String> {
    let fine = key.starts_with("net.")
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && key.split('.').all(|part| !part.is_empty());
    if fine {
        return Ok(());
    }
    Err(format!(
        "sysctls: {key}: only net.* belongs to a network namespace"
    ))
}

fn links(body: &raw::Body, problems: &mut Problems) -> Vec<LinkSpec> {
    let mut used = BTreeMap::new();
    let mut resolved = Vec::new();
    for link in &body.links {
        let at = line(link);
        let mtu = match &link.value.mtu {
            None => DEFAULT_LINK_MTU,
            Some(mtu) => link_mtu(mtu, problems),
        };
        let mut ends = Vec::new();
        for text in &link.value.endpoints {
            match endpoint(body, &text.value) {
                Ok(end) => {
                    if let Some(other) = used.insert(end.clone(), line(text)) {
                        problems.add(line(text), format!("{end} is already used in line {other}"));
                    }
                    ends.push(end);
                }
                Err(message) => problems.add(line(text), message),
            }
        }
        match <[Endpoint; 2]>::try_from(ends) {
            Ok(ends) => resolved.push(LinkSpec {
                line: at,
                ends,
                mtu,
            }),
            Err(_) if link.value.endpoints.len() == 2 => {}
            Err(_) => problems.add(
                at,
                format!(
                    "endpoints: a link has 2, not {}",
                    link.value.endpoints.len()
                ),
            ),
        }
    }
    resolved
}

/// In bytes; any number if it is refused.
fn link_mtu(mtu: &Spanned<raw::Scalar>, problems: &mut Problems) -> u32 {
    let text = mtu.value.text();
    match text.parse() {
        Ok(bytes) if (68..=MTU_MAX).contains(&bytes) => bytes,
        _ => {
            problems.add(
                line(mtu),
                format!("mtu {text}: a veth takes 68 to {MTU_MAX} bytes"),
            );
            DEFAULT_LINK_MTU
        }
    }
}

fn endpoint(body: &raw::Body, text: &str) -> Result<Endpoint, String> {
    let Some((node, interface)) = text.split_once(':') else {
        return Err(format!("endpoint {text:?} is not NODE:INTERFACE"));
    };
    if !body.nodes.contains_key(node) {
        return Err(format!("endpoint {text}: there is no node {node}"));
    }
    let bad = interface.is_empty()
        || interface.len() > INTERFACE_NAME_MAX
        || matches!(interface, "." | ".." | "lo" | "all" | "default")
        || interface
            .contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
    if bad {
        return Err(format!(
            "endpoint {text}: {interface:?} cannot be an interface (1 to {INTERFACE_NAME_MAX} \
             bytes, no '/', ':' or space)"
        ));
    }
    Ok(Endpoint {
        node: node.to_owned(),
        interface: interface.to_owned(),
    })
}
