//! What pods' connections out of the cluster come from: an address of the node's own, often on `lo`,
//! while the node has it.
//!
//! Answers to an address that the node has not would be lost, all of them. The address of the outgoing
//! link is worse than the one that was asked for, and better than none.

use std::collections::BTreeSet;
use std::net::{IpAddr, UdpSocket};

use crate::desired::Desired;
use crate::table::model::{Action, RuleSet};

/// Which of the configured addresses are not there.
#[derive(Debug, Default)]
pub struct Sources {
    missing: BTreeSet<IpAddr>,
}

impl Sources {
    /// The rules as they should be now. Says what is missing, once.
    pub fn rules(&mut self, desired: &Desired) -> Vec<RuleSet> {
        for address in &desired.sources {
            if is_here(*address) {
                if self.missing.remove(address) {
                    tracing::info!("this node has {address} of nodeAddresses now");
                }
            } else if self.missing.insert(*address) {
                tracing::warn!("{}", absent(*address));
            }
        }
        let rules = desired.rules.iter();
        rules.map(|rules| without(rules, &self.missing)).collect()
    }

    /// What is missing, for people.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.missing.iter().map(|address| absent(*address))
    }
}

fn absent(address: IpAddr) -> String {
    format!(
        "this node does not have {address} of nodeAddresses (or it is a duplicate): what leaves the \
         cluster gets the address of its link, and does not outlive that link; add it, such as by \
         `ip address add {address} dev lo`"
    )
}

/// Rules that name none of these addresses.
fn without(rules: &RuleSet, missing: &BTreeSet<IpAddr>) -> RuleSet {
    let mut rules = rules.clone();
    let tables = rules.tables.iter_mut();
    let chains = tables.flat_map(|table| &mut table.chains);
    for rule in chains.flat_map(|chain| &mut chain.rules) {
        if matches!(rule.action, Action::Snat(source) if missing.contains(&source)) {
            rule.action = Action::Masquerade;
        }
    }
    rules
}

/// Whether it is an address of this node that can be used: nobody else may bind to it. (Where
/// `ip_nonlocal_bind` is set, every address is taken for one.)
fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::desired;
    use crate::table::render;

    #[test]
    fn an_address_that_is_not_there_is_not_named() {
        let mut config = crate::desired::tests::config();
        // 192.0.2.0/24 is nobody's.
        for (address, expected) in [
            (
                [127, 0, 0, 77],
                "SNAT --to-source 127.0.0.77 --random-fully",
            ),
            ([192, 0, 2, 77], "MASQUERADE --random-fully"),
        ] {
            config.node_addresses.v4 = Some(address.into());
            let desired = desired(&config);
            let text = render::explained(&Sources::default().rules(&desired)[0]);
            assert!(text.contains(expected), "{text}");
        }
    }
}
