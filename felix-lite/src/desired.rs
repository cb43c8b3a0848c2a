//! From the configuration to everything that should be true on the node. Pure: nothing is read, and
//! nothing depends on the time or the node.

use rcni_config::{Cidr, FelixConfig, IptablesBackend};

use crate::conflist::{self, Conflist};
use crate::rules::{self, Ranges};
use crate::sysctl::{self, Setting};
use crate::table::model::{Family, RuleSet};

/// The whole desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Written in this order, before the rules.
    pub settings: Vec<Setting>,
    /// Packet filter rules.
    pub rules: RuleSet,
    /// Where they go.
    pub backend: IptablesBackend,
    /// Ranges whose unused addresses are dropped here.
    pub blackholes: Vec<Cidr>,
    /// Route protocol number of these.
    pub protocol: u8,
    /// Written last.
    pub conflist: Conflist,
}

/// What of the configuration cannot be done yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "spec.podCIDRs: {0} is IPv6, and felix-lite handles IPv4 only so far; remove it from the list"
)]
pub struct Unsupported(pub Cidr);

/// What this configuration means.
///
/// # Errors
/// An IPv6 pod range. (IPv6 ranges in the other lists only say what is not translated, and are of no
/// consequence.)
pub fn desired(config: &FelixConfig) -> Result<Desired, Unsupported> {
    if let Some(range) = config.pod_cidrs.iter().find(|range| !range.is_ipv4()) {
        return Err(Unsupported(*range));
    }
    let untranslated = config.cluster_cidrs.iter();
    let untranslated = untranslated
        .chain(&config.node_cidrs)
        .chain(&config.non_masquerade_cidrs);
    let ranges = Ranges {
        pods: config.pod_cidrs.clone(),
        untranslated: untranslated
            .filter(|range| range.is_ipv4())
            .copied()
            .collect(),
        masquerade: config.masquerade,
    };
    Ok(Desired {
        settings: vec![sysctl::MULTIPATH_HASH, sysctl::IP_FORWARD],
        rules: rules::rule_set(Family::V4, &ranges),
        backend: config.iptables_backend,
        blackholes: config.pod_cidrs.clone(),
        protocol: config.protocol,
        conflist: conflist::render(&config.cni, &config.pod_cidrs),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use rcni_config::CniConfig;

    use super::*;

    pub(crate) fn config() -> FelixConfig {
        let cidr = |text: &str| text.parse::<Cidr>().unwrap();
        FelixConfig {
            pod_cidrs: vec![cidr("10.244.1.0/24")],
            cluster_cidrs: vec![cidr("10.244.0.0/16"), cidr("fd00:10::/48")],
            node_cidrs: vec![cidr("10.0.0.0/16")],
            non_masquerade_cidrs: vec![],
            masquerade: true,
            masquerade_ipv6: false,
            iptables_backend: IptablesBackend::Auto,
            cni: CniConfig {
                conf_dir: PathBuf::from("/etc/cni/net.d"),
                conf_name: "10-rcni.conflist".to_owned(),
                network_name: "rcni".to_owned(),
                mtu: None,
                data_dir: PathBuf::from("/var/lib/cni/networks"),
            },
            refresh_secs: 30,
            protocol: 77,
        }
    }

    #[test]
    fn the_other_family_is_left_out_of_the_rules() {
        let desired = desired(&config()).unwrap();
        let text = crate::table::render::explained(&desired.rules);
        assert!(!text.contains("fd00"), "{text}");
        assert_eq!(desired.blackholes, config().pod_cidrs);
    }

    #[test]
    fn an_ipv6_pod_range_is_refused_by_name() {
        let mut config = config();
        config.pod_cidrs.push("fd00:10::/64".parse().unwrap());
        let error = desired(&config).unwrap_err().to_string();
        assert!(error.contains("spec.podCIDRs: fd00:10::/64"), "{error}");
    }
}
