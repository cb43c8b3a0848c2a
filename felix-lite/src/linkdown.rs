//! `ignore_routes_with_linkdown` of uplinks, where the kernel has no nexthop objects: of the next hops
//! that a route has in itself it then leaves out those whose link has no carrier, at once. (A nexthop
//! object goes by itself with the carrier.)
//!
//! Set link by link: the kernels that need it (before 5.8) do not look at IPv4's `all`, and IPv6's sets
//! every link's. Uplinks are links that are neither the loopback nor pods' nor part of a bridge or bond
//! nor a bridge themselves: docker0 has no carrier as long as nobody is on it, and what is sent to
//! Docker's network then should not go out into the world.

use crate::rules::POD_LINK_PREFIX;
use crate::state::State;
use crate::sysctl::Sysctls;
use crate::table::model::Family;
use crate::uplink::{self, UplinkError};

const NAME: &str = "ignore_routes_with_linkdown";

/// Sets it for the uplinks of these families. Says what was changed.
///
/// # Errors
/// The links cannot be listed, or a setting not be written.
pub async fn ensure(
    sysctls: &Sysctls,
    families: &[Family],
    state: &mut State,
) -> Result<Vec<String>, UplinkError> {
    let missing = missing(sysctls, families);
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let routed = uplink::routed().await?;
    let mut done = Vec::new();
    for (name, setting) in missing {
        if routed.contains(&name) {
            done.extend(sysctls.set(&setting, "1", state)?);
        }
    }
    Ok(done)
}

/// Links that do not have it, each with the setting's name.
fn missing(sysctls: &Sysctls, families: &[Family]) -> Vec<(String, String)> {
    let of_family = |family: &Family| {
        let (folder, links) = match family {
            Family::V4 => ("net/ipv4/conf", sysctls.links_ipv4()),
            Family::V6 => ("net/ipv6/conf", sysctls.links_ipv6()),
        };
        let own = |name: &String| {
            !matches!(name.as_str(), "lo" | "default") && !name.starts_with(POD_LINK_PREFIX)
        };
        let links = links.into_iter().filter(own);
        let links = links.map(|name| {
            let setting = format!("{folder}/{name}/{NAME}");
            (name, setting)
        });
        links.collect::<Vec<_>>()
    };
    let all = families.iter().flat_map(of_family);
    all.filter(|(_, setting)| sysctls.read(setting).is_ok_and(|now| now == "0"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn links_of_pods_and_of_other_families_are_left() {
        let dir = tempfile::tempdir().unwrap();
        for (link, value) in [
            ("all", "0"),
            ("default", "0"),
            ("lo", "0"),
            ("rcni0123456789a", "0"),
            ("eth0", "0"),
            ("eth1", "1"),
        ] {
            for family in ["ipv4", "ipv6"] {
                let folder = dir.path().join(format!("net/{family}/conf/{link}"));
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(NAME), format!("{value}\n")).unwrap();
            }
        }
        let sysctls = Sysctls::at(dir.path());
        let setting = |family: &str| {
            let name = format!("net/{family}/conf/eth0/ignore_routes_with_linkdown");
            ("eth0".to_owned(), name)
        };
        assert_eq!(missing(&sysctls, &[Family::V4]), [setting("ipv4")]);
        assert_eq!(
            missing(&sysctls, &Family::ALL),
            [setting("ipv4"), setting("ipv6")]
        );
        // A kernel that does not have it.
        fs::remove_dir_all(dir.path().join("net")).unwrap();
        assert_eq!(missing(&sysctls, &Family::ALL), []);
    }
}
