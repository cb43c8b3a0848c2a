//! Between the speaker and BFD.

use rcni_bgp_proto::speaker::{Input, NextHop, PeerId, Watch};

use super::Core;
use crate::bfd::{Distance, Wish};

impl Core {
    /// The way to a peer is to be watched so, or not any more.
    pub(super) fn watch(&mut self, peer: PeerId, watch: Option<Watch>) {
        let wish = watch.map(|watch| {
            let settings = self.settings_at(NextHop {
                address: watch.address,
                interface: watch.interface,
            });
            let distance = settings.map_or(Distance::Link, |settings| settings.distance);
            let on_link = watch.interface.is_some() || self.interfaces.is_on_link(watch.address);
            // The address that the session comes from, too.
            let home = self.home.as_ref();
            let of_node =
                || home.and_then(|home| home.source(watch.address, distance, &self.interfaces));
            Wish {
                peer: watch.address,
                interface: watch.interface.unwrap_or_default(),
                local: watch.local.or_else(of_node),
                hops: distance.hops(on_link),
                profile: watch.profile,
            }
        });
        self.watching.watch(peer, wish);
    }

    /// What BFD has to say.
    pub fn hear_of_paths(&mut self) {
        for (peer, news) in self.watching.news() {
            self.input(Input::Bfd { peer, news });
        }
    }
}
