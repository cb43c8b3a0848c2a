//! From the configuration to everything that should be true on the node. Pure: nothing is read, and
//! nothing depends on the time or the node.

use std::net::IpAddr;

use rcni_config::{Cidr, FelixConfig, IptablesBackend, NexthopCompatMode};

use crate::conflist::{self, Conflist};
use crate::rules::{self, Ranges};
use crate::sysctl::{self, Setting};
use crate::table::model::{Family, RuleSet};

/// The whole desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Written in this order, before the rules.
    pub settings: Vec<Setting>,
    /// How the kernel tells of routes that use nexthop objects: see [`crate::compat`].
    pub compat_mode: NexthopCompatMode,
    /// Packet filter rules of each family that has pods, if the node has all addresses of `sources`.
    pub rules: Vec<RuleSet>,
    /// What the rules translate to; see [`crate::source`].
    pub sources: Vec<IpAddr>,
    /// Where they go.
    pub backend: IptablesBackend,
    /// Ranges whose unused addresses are dropped here.
    pub blackholes: Vec<Cidr>,
    /// Route protocol number of these.
    pub protocol: u8,
    /// Written last.
    pub conflist: Conflist,
}

/// What this configuration means. A family without pods is left alone altogether; its ranges in the
/// other lists only say what is not translated, and are of no consequence.
#[must_use]
pub fn desired(config: &FelixConfig) -> Desired {
    let families = Family::ALL.into_iter();
    let families = families.filter(|family| {
        let mut pods = config.pod_cidrs.iter();
        pods.any(|range| Family::of(range) == *family)
    });
    let families: Vec<Family> = families.collect();
    let settings = families.iter().flat_map(|family| match family {
        Family::V4 => [sysctl::MULTIPATH_HASH, sysctl::IP_FORWARD],
        Family::V6 => [sysctl::MULTIPATH_HASH_IPV6, sysctl::FORWARDING_IPV6],
    });
    let rules = families
        .iter()
        .map(|family| rules::rule_set(*family, &ranges(config, *family)));
    Desired {
        settings: settings.collect(),
        compat_mode: config.nexthop_compat_mode,
        sources: families
            .iter()
            .filter_map(|family| ranges(config, *family).translated_to())
            .collect(),
        rules: rules.collect(),
        backend: config.iptables_backend,
        blackholes: config.pod_cidrs.clone(),
        protocol: config.protocol,
        conflist: conflist::render(&config.cni, &config.pod_cidrs),
    }
}

fn ranges(config: &FelixConfig, family: Family) -> Ranges {
    let of_family = |ranges: &[Cidr]| {
        let ranges = ranges.iter().filter(|range| Family::of(range) == family);
        ranges.copied().collect::<Vec<Cidr>>()
    };
    let untranslated = [
        &config.cluster_cidrs,
        &config.node_cidrs,
        &config.non_masquerade_cidrs,
    ];
    Ranges {
        pods: of_family(&config.pod_cidrs),
        untranslated: untranslated
            .into_iter()
            .flat_map(|list| of_family(list))
            .collect(),
        masquerade: match family {
            Family::V4 => config.masquerade,
            Family::V6 => config.masquerade_ipv6,
        },
        source: match family {
            Family::V4 => config.node_addresses.v4.map(IpAddr::V4),
            Family::V6 => config.node_addresses.v6.map(IpAddr::V6),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use rcni_config::{CniConfig, NodeAddresses};

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
            node_addresses: NodeAddresses::default(),
            iptables_backend: IptablesBackend::Auto,
            nexthop_compat_mode: NexthopCompatMode::Auto,
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
    fn a_family_without_pods_is_left_alone() {
        let v4 = desired(&config());
        assert_eq!(v4.rules.len(), 1);
        let text = crate::table::render::explained(&v4.rules[0]);
        assert!(!text.contains("fd00"), "{text}");
        assert!(
            v4.settings
                .iter()
                .all(|setting| setting.name.contains("ipv4"))
        );
        assert_eq!(v4.blackholes, config().pod_cidrs);

        let mut config = config();
        config.pod_cidrs = vec!["fd00:10:0:1::/64".parse().unwrap()];
        let v6 = desired(&config);
        assert_eq!(v6.rules.len(), 1);
        assert_eq!(v6.rules[0].family, Family::V6);
        // Not translated unless asked for, whatever IPv4's setting is.
        assert!(v6.rules[0].tables[1].chains.is_empty());
        assert!(
            v6.settings
                .iter()
                .all(|setting| setting.name.contains("ipv6"))
        );
    }

    #[test]
    fn only_what_is_translated_needs_the_nodes_address() {
        let mut config = config();
        assert!(desired(&config).sources.is_empty());
        config.node_addresses = NodeAddresses {
            v4: Some([10, 255, 1, 1].into()),
            v6: Some("fd00:10:255::1".parse().unwrap()),
        };
        let v4 = IpAddr::from([10, 255, 1, 1]);
        assert_eq!(desired(&config).sources, [v4]);
        config.pod_cidrs.push("fd00:10:0:1::/64".parse().unwrap());
        assert_eq!(desired(&config).sources, [v4], "IPv6 is not translated");
        config.masquerade_ipv6 = true;
        assert_eq!(desired(&config).sources.len(), 2);
        config.masquerade = false;
        assert_eq!(desired(&config).sources.len(), 1);
    }

    #[test]
    fn each_family_has_its_own_ranges_and_translation() {
        let mut config = config();
        config.pod_cidrs.push("fd00:10:0:1::/64".parse().unwrap());
        config.masquerade = false;
        config.masquerade_ipv6 = true;
        let both = desired(&config);
        let families: Vec<Family> = both.rules.iter().map(|rules| rules.family).collect();
        assert_eq!(families, Family::ALL);
        assert!(both.rules[0].tables[1].chains.is_empty());
        let text = crate::table::render::explained(&both.rules[1]);
        assert!(
            text.contains("-d fd00:10::/48") && text.contains("-s fd00:10:0:1::/64"),
            "{text}"
        );
        assert!(!text.contains("10.244"), "{text}");
        assert_eq!(both.settings.len(), 4);
    }
}
