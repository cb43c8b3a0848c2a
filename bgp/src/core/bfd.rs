//! Between the speaker and BFD.

use rcni_bgp_proto::speaker::{Input, NextHop, PeerId, Watch};

use super::Core;
use crate::bfd::{Distance, Wish};

impl Core {
    /// The way to a peer is to be watched so, or not any more.
    pub(super) fn watch(&mut self, peer: PeerId, watch: Option<Watch>) {
        let wish = watch.map(|watch| self.wish(watch));
        self.watching.watch(peer, wish);
    }

    fn wish(&self, watch: Watch) -> Wish {
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
            over: watch
                .interface
                .or_else(|| self.interfaces.link_to(watch.address)),
            profile: watch.profile,
        }
    }

    /// Own addresses came or went, or the session with this one did: what BFD says comes from where the next
    /// session will. One that is there stays as it is, and so does what watches it, but for the link.
    pub(super) fn watch_anew(&mut self, only: Option<PeerId>) {
        if self.stopped {
            return;
        }
        let watched = self.speaker.watched();
        let watched = watched.filter(|(peer, ..)| only.is_none_or(|only| only == *peer));
        let watched: Vec<(PeerId, Watch, bool)> = watched.collect();
        for (peer, watch, has_session) in watched {
            let now = self.wish(watch);
            let before = self.watching.wish_of(peer).filter(|_| has_session);
            let wish = before.map_or(now, |before| Wish {
                over: now.over,
                ..before
            });
            self.watching.watch(peer, Some(wish));
        }
    }

    /// What BFD has to say.
    pub fn hear_of_paths(&mut self) {
        for (peer, news) in self.watching.news() {
            self.input(Input::Bfd { peer, news });
        }
    }
}
