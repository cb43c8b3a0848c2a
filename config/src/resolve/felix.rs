//! `felix-lite`'s configuration.

use std::path::PathBuf;

use super::Report;
use super::speaker::{addresses, the_one, unique_names};
use super::subject::Subject;
use super::usable::Use;
use crate::raw::{
    FelixConfigurationSpec, Int, IptablesBackendSpec, Located, NexthopCompatModeSpec, Object,
};
use crate::{
    AddressFamily, Cidr, CniConfig, ConfigErrors, FelixConfig, IptablesBackend, NexthopCompatMode,
    paths,
};

const KIND: &str = "FelixConfiguration";

/// Checks the one object of `felix-lite`'s file.
pub(crate) fn felix(
    mut report: Report,
    objects: &[Object<FelixConfigurationSpec>],
) -> Result<FelixConfig, ConfigErrors> {
    unique_names(&mut report, KIND, objects);
    let config = the_one(&mut report, KIND, objects)
        .map(|object| configuration(&mut Subject::new(&mut report, KIND, object), &object.spec));
    report.finish(config)
}

/// Checks what stands in the other program's file.
pub(crate) fn misplaced_felix(report: &mut Report, objects: &[Object<FelixConfigurationSpec>]) {
    unique_names(report, KIND, objects);
    for object in objects {
        configuration(&mut Subject::new(report, KIND, object), &object.spec);
    }
}

fn configuration(subject: &mut Subject<'_>, spec: &FelixConfigurationSpec) -> FelixConfig {
    let cluster_cidrs = list(subject, "clusterCIDRs", &spec.cluster_cidrs);
    let backend = spec.iptables_backend.unwrap_or(IptablesBackendSpec::Auto);
    let compat_mode = spec.nexthop_compat_mode;
    let kernel = spec.kernel.clone().unwrap_or_default();
    let masquerade = spec.masquerade.is_none_or(|given| given.value);
    let masquerade_ipv6 = spec.masquerade_ipv6.is_some_and(|given| given.value);
    let pod_cidrs = pod_cidrs(subject, spec, &cluster_cidrs);
    if masquerade {
        cluster_cidrs_needed(subject, spec, AddressFamily::Ipv4);
    }
    if masquerade_ipv6 {
        cluster_cidrs_needed(subject, spec, AddressFamily::Ipv6);
    }
    FelixConfig {
        pod_cidrs,
        cluster_cidrs,
        node_cidrs: list(subject, "nodeCIDRs", &spec.node_cidrs),
        non_masquerade_cidrs: list(subject, "nonMasqueradeCIDRs", &spec.non_masquerade_cidrs),
        masquerade,
        masquerade_ipv6,
        node_addresses: addresses::of_node(subject, &spec.node_addresses),
        iptables_backend: match backend {
            IptablesBackendSpec::Auto => IptablesBackend::Auto,
            IptablesBackendSpec::Nft => IptablesBackend::Nft,
            IptablesBackendSpec::Legacy => IptablesBackend::Legacy,
        },
        nexthop_compat_mode: match compat_mode.unwrap_or(NexthopCompatModeSpec::Auto) {
            NexthopCompatModeSpec::Auto => NexthopCompatMode::Auto,
            NexthopCompatModeSpec::Enabled => NexthopCompatMode::Enabled,
            NexthopCompatModeSpec::Disabled => NexthopCompatMode::Disabled,
        },
        cni: cni(subject, spec),
        refresh_secs: subject.number(
            "spec.refreshIntervalSeconds",
            spec.refresh_interval_seconds,
            1..=86400,
            30,
        ),
        protocol: subject.protocol("spec.kernel.protocol", kernel.protocol),
    }
}

/// A family that is translated and has pods must say which destinations are pods too.
fn cluster_cidrs_needed(
    subject: &mut Subject<'_>,
    spec: &FelixConfigurationSpec,
    family: AddressFamily,
) {
    let of_family = |given: &&Located<String>| {
        let cidr = given.value.parse::<Cidr>();
        // What is no prefix is refused, once, by `list`; it may have been meant for this family.
        cidr.map_or_else(|_| None, |cidr| Some(AddressFamily::of(&cidr) == family))
    };
    let mut pods = spec.pod_cidrs.value.iter();
    let Some(pods) = pods.find(|given| of_family(given) == Some(true)) else {
        return;
    };
    let mut cluster = spec.cluster_cidrs.iter();
    if cluster.any(|given| of_family(&given) != Some(false)) {
        return;
    }
    let (field, given, default) = match family {
        AddressFamily::Ipv4 => (
            "masquerade",
            spec.masquerade,
            " (which is on unless it is switched off)",
        ),
        AddressFamily::Ipv6 => ("masqueradeIPv6", spec.masquerade_ipv6, ""),
    };
    let place = given.map_or(pods.place, |given| given.place);
    let reason = format!(
        "needs an {family} range with {field}{default}: without one, traffic between {family} pods \
         of different nodes would be translated"
    );
    let hint =
        format!("list the {family} ranges of all pods of the cluster, or write {field}: false");
    subject.refuse(place, "spec.clusterCIDRs", &reason, &hint);
}

fn list(subject: &mut Subject<'_>, field: &str, given: &[Located<String>]) -> Vec<Cidr> {
    subject.cidrs(entries(field, given), Use::Destinations)
}

fn entries<'g>(
    field: &str,
    given: &'g [Located<String>],
) -> impl Iterator<Item = (String, &'g Located<String>)> {
    let entries = given.iter().enumerate();
    entries.map(move |(index, given)| (format!("spec.{field}[{index}]"), given))
}

fn pod_cidrs(
    subject: &mut Subject<'_>,
    spec: &FelixConfigurationSpec,
    cluster_cidrs: &[Cidr],
) -> Vec<Cidr> {
    let given = &spec.pod_cidrs;
    if given.value.is_empty() {
        let hint = "list the node's own pod ranges, such as [10.244.1.0/24]";
        subject.refuse(given.place, "spec.podCIDRs", "is empty", hint);
    }
    let all_readable = cluster_cidrs.len() == spec.cluster_cidrs.len();
    for (index, given) in given.value.iter().enumerate() {
        // What is no prefix is refused, once, by `list` below.
        let Ok(cidr) = given.value.parse::<Cidr>() else {
            continue;
        };
        let path = format!("spec.podCIDRs[{index}]");
        let family = AddressFamily::of(&cidr);
        let cluster = cluster_cidrs.iter();
        let cluster = cluster.filter(|cluster| AddressFamily::of(cluster) == family);
        let cluster: Vec<&Cidr> = cluster.collect();
        if cidr.prefix_len() == 0 {
            let reason =
                format!("{cidr} is everything, and felix-lite blackholes unused pod ranges");
            subject.refuse(given.place, &path, &reason, "write the node's own range");
        } else if all_readable
            && !cluster.is_empty()
            && !cluster.iter().any(|cluster| cluster.contains(&cidr))
        {
            let ranges: Vec<String> = cluster.iter().map(|range| range.to_string()).collect();
            let reason = format!("{cidr} is not within clusterCIDRs ({})", ranges.join(", "));
            let hint = "add its range to clusterCIDRs, or correct one of the two";
            subject.refuse(given.place, &path, &reason, hint);
        }
    }
    subject.cidrs(entries("podCIDRs", &given.value), Use::Pods)
}

fn cni(subject: &mut Subject<'_>, felix: &FelixConfigurationSpec) -> CniConfig {
    let spec = &felix.cni.clone().unwrap_or_default();
    CniConfig {
        conf_dir: folder(
            subject,
            "confDir",
            spec.conf_dir.as_ref(),
            paths::CNI_CONF_DIR,
        ),
        conf_name: text(
            subject,
            "confName",
            spec.conf_name.as_ref(),
            paths::CNI_CONF_NAME,
            is_conflist_name,
            "write a plain file name that ends with .conflist, such as 10-rcni.conflist",
        ),
        network_name: text(
            subject,
            "networkName",
            spec.network_name.as_ref(),
            paths::CNI_NETWORK_NAME,
            is_network_name,
            "begin with a letter or digit; then letters, digits, _ . and - (CNI specification)",
        ),
        mtu: spec.mtu.map(|given| mtu(subject, given, felix)),
        data_dir: folder(
            subject,
            "dataDir",
            spec.data_dir.as_ref(),
            paths::CNI_DATA_DIR,
        ),
    }
}

/// The smallest MTU of a link with IPv6, in bytes (RFC 8200 §5).
const IPV6_MTU_MIN: u32 = 1280;

fn mtu(subject: &mut Subject<'_>, given: Located<Int>, spec: &FelixConfigurationSpec) -> u32 {
    let path = "spec.cni.mtu";
    let mtu = subject.number(path, Some(given), 576..=65535, 1500);
    let ranges = spec.pod_cidrs.value.iter();
    let mut ranges = ranges.filter_map(|range| range.value.parse::<Cidr>().ok());
    if mtu < IPV6_MTU_MIN && ranges.any(|range| !range.is_ipv4()) {
        let reason =
            format!("{mtu} is too small for pods with IPv6, which needs {IPV6_MTU_MIN} (RFC 8200)");
        let hint = format!(
            "write at least {IPV6_MTU_MIN}, leave it out to follow the uplinks, or take the IPv6 \
             ranges out of podCIDRs"
        );
        subject.refuse(given.place, path, &reason, &hint);
    }
    mtu
}

fn folder(
    subject: &mut Subject<'_>,
    field: &str,
    given: Option<&Located<String>>,
    default: &str,
) -> PathBuf {
    let absolute = |text: &str| text.starts_with('/') && !text.contains('\0');
    let hint = format!("write an absolute path such as {default}");
    text(subject, field, given, default, absolute, &hint).into()
}

fn text(
    subject: &mut Subject<'_>,
    field: &str,
    given: Option<&Located<String>>,
    default: &str,
    allowed: impl Fn(&str) -> bool,
    hint: &str,
) -> String {
    let Some(given) = given else {
        return default.to_owned();
    };
    if !allowed(&given.value) {
        let reason = format!("{:?} cannot be used", given.value);
        subject.refuse(given.place, &format!("spec.cni.{field}"), &reason, hint);
    }
    given.value.clone()
}

fn is_conflist_name(name: &str) -> bool {
    let stem = name.strip_suffix(".conflist");
    stem.is_some_and(|stem| !stem.is_empty() && !stem.starts_with('.'))
        && name.len() <= 255
        && !name.contains(['/', '\0'])
}

fn is_network_name(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    name.bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(rest)
        && name.len() <= 255
}
