//! The verbs.

pub mod add;
pub mod check;
pub mod del;
pub mod version;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::CniError;
use crate::ipam::delegate::Delegate;
use crate::naming::{self, Attachment};
use crate::netconf::NetConf;

/// How long ADD and DEL wait for the lock of the address store before they answer "try again later".
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// One call for one attachment: what the environment and stdin said, checked.
#[derive(Debug)]
pub struct Request {
    /// Which interface of which container.
    pub attachment: Attachment,
    /// `CNI_NETNS` as given; DEL works without.
    pub netns: Option<PathBuf>,
    /// `CNI_ARGS`.
    pub args: Args,
    /// The configuration.
    pub conf: NetConf,
    /// The whole environment, for delegates.
    pub environment: BTreeMap<OsString, OsString>,
    /// The whole stdin, for delegates.
    pub stdin: Vec<u8>,
    /// `CNI_NETNS_OVERRIDE`: the pod may share the plugin's own namespace.
    pub own_netns_allowed: bool,
}

/// What is used of `CNI_ARGS`. Keys that are not known are passed over, with or without
/// `IgnoreUnknown`: runtimes send their own, in any order, and none of them changes what is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// `K8S_POD_NAMESPACE`
    pub pod_namespace: Option<String>,
    /// `K8S_POD_NAME`
    pub pod_name: Option<String>,
    /// `IP`, as podman sends it.
    pub ip: Option<String>,
    /// `MAC`, as podman sends it.
    pub mac: Option<String>,
}

impl Args {
    /// Reads `K=V;K=V`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut args = Self::default();
        for pair in text.split(';') {
            let Some((key, value)) = pair.split_once('=') else {
                continue;
            };
            let value = (!value.is_empty()).then(|| value.to_owned());
            match key.trim() {
                "K8S_POD_NAMESPACE" => args.pod_namespace = value,
                "K8S_POD_NAME" => args.pod_name = value,
                "IP" => args.ip = value,
                "MAC" => args.mac = value,
                _ => {}
            }
        }
        args
    }
}

impl Request {
    /// The ifalias, and the name in the record.
    #[must_use]
    pub fn alias(&self) -> String {
        naming::alias(
            self.args.pod_namespace.as_deref(),
            self.args.pod_name.as_deref(),
            self.attachment.container_id(),
        )
    }

    /// The pod end's MAC address: the wanted one, else the attachment's own.
    ///
    /// # Errors
    /// Code 7 if one is wanted that is none.
    pub fn pod_mac(&self) -> Result<[u8; 6], CniError> {
        let wanted = self.conf.wanted_mac(self.args.mac.as_deref())?;
        Ok(wanted.unwrap_or_else(|| self.attachment.pod_mac()))
    }

    fn delegate(&self, name: &str) -> Delegate {
        Delegate {
            name: name.to_owned(),
            environment: self.environment.clone(),
            stdin: self.stdin.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cni_args_in_any_order() {
        let pairs = [
            "IgnoreUnknown=1",
            "K8S_POD_NAMESPACE=default",
            "K8S_POD_NAME=web-0",
            "K8S_POD_INFRA_CONTAINER_ID=abc",
            "K8S_POD_UID=123",
        ];
        for turn in 0..pairs.len() {
            let mut pairs = pairs;
            pairs.rotate_left(turn);
            let args = Args::parse(&pairs.join(";"));
            assert_eq!(args.pod_namespace.as_deref(), Some("default"));
            assert_eq!(args.pod_name.as_deref(), Some("web-0"));
        }
        assert_eq!(Args::parse(";;=;x;IP=;MAC"), Args::default());
    }
}
