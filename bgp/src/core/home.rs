//! What others know this node by (`spec.nodeAddresses`): announced as networks of its own while the
//! node has the addresses, and where sessions to far peers come from.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use rcni_bgp_proto::speaker::{Input, SpeakerConfig};
use rcni_config::NodeAddresses;
use tracing::info;

use super::Core;
use crate::bfd::Distance;
use crate::fib::Prefix;
use crate::transport::interfaces::Interfaces;

/// See the [module](self).
#[derive(Debug)]
pub struct Home {
    addresses: Vec<IpAddr>,
    /// The configuration without what depends on the addresses that are there.
    config: SpeakerConfig,
    /// Those of the addresses that the speaker announces.
    told: Vec<IpAddr>,
}

impl Home {
    /// `config` is what the file says; [`Home::config`] is what the speaker is told.
    #[must_use]
    pub fn new(addresses: NodeAddresses, config: SpeakerConfig, here: &Interfaces) -> Self {
        let v4 = addresses.v4.map(IpAddr::V4);
        let addresses: Vec<IpAddr> = v4.into_iter().chain(addresses.v6.map(IpAddr::V6)).collect();
        let mut home = Self {
            addresses,
            config,
            told: Vec::new(),
        };
        home.look(here);
        home
    }

    /// True: the node has others of its addresses than before.
    fn look(&mut self, here: &Interfaces) -> bool {
        let all = self.addresses.iter().copied();
        let now: Vec<IpAddr> = all.filter(|address| here.has(*address)).collect();
        let changed = now != self.told;
        self.told = now;
        changed
    }

    /// With the addresses that are there as networks.
    #[must_use]
    pub fn config(&self) -> SpeakerConfig {
        let mut config = self.config.clone();
        let given: BTreeSet<Prefix> = config.networks.iter().copied().collect();
        let hosts = self.told.iter().copied().map(IpNetwork::from);
        config
            .networks
            .extend(hosts.filter(|host| !given.contains(host)));
        config
    }

    /// Where a session with `peer` comes from, if the kernel is not to choose. Also while the node has
    /// not got it: from another address the peer would not take it, or for somebody else.
    #[must_use]
    pub fn source(&self, peer: IpAddr, distance: Distance, here: &Interfaces) -> Option<IpAddr> {
        match distance {
            Distance::Link => return None,
            Distance::Either if here.is_on_link(peer) => return None,
            Distance::Either | Distance::Routers => {}
        }
        let of_family = |own: &&IpAddr| own.is_ipv4() == peer.is_ipv4() && **own != peer;
        self.addresses.iter().find(of_family).copied()
    }
}

impl Core {
    /// What others know this node by.
    #[must_use]
    pub fn at(mut self, home: Home) -> Self {
        self.home = Some(home);
        self
    }

    /// Own addresses came or went.
    pub(super) fn look_at_home(&mut self) {
        let Some(home) = &mut self.home else { return };
        if !home.look(&self.interfaces) {
            return;
        }
        let told: Vec<String> = home.told.iter().map(ToString::to_string).collect();
        info!(
            announced = told.join(" "),
            "other addresses of spec.nodeAddresses are here now"
        );
        let config = Box::new(home.config());
        let sockets = BTreeSet::new();
        self.input(Input::Reconfigure { config, sockets });
    }

    /// The speaker's configuration, from what the file says now.
    pub(super) fn furnished(&mut self, config: SpeakerConfig) -> SpeakerConfig {
        match &mut self.home {
            Some(home) => {
                home.config = config;
                home.config()
            }
            None => config,
        }
    }
}
