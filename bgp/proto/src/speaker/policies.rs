//! Other rules while sessions live.
//!
//! Import: the sweep judges the peer's paths again, from what was received; the peer is not asked for
//! anything. Export: the peer is told what differs. Both in slices: this input itself only notes it.

use std::sync::Arc;

use super::Speaker;
use super::api::PeerId;
use crate::policy::Policy;

impl Speaker {
    /// The rules of a peer, or of a range and all peers that came from it.
    pub(super) fn set_policies(&mut self, id: PeerId, import: &Policy, export: &Policy) {
        if let Some(range) = self.neighbors.range_mut(id) {
            range.config.import = import.clone();
            range.config.export = export.clone();
        }
        for member in self.neighbors.members(id) {
            self.set_policies_of(member, import, export);
        }
    }

    pub(super) fn set_policies_of(&mut self, id: PeerId, import: &Policy, export: &Policy) {
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        if neighbor.config.import != *import {
            neighbor.config.import = import.clone();
            if let Some(judge) = &mut neighbor.judge {
                judge.policy = import.clone();
                self.rib.judge_anew(id);
            }
        }
        if neighbor.config.export != *export {
            neighbor.config.export = export.clone();
            if let Some(up) = &mut neighbor.up {
                let before = Arc::clone(&up.target);
                Arc::make_mut(&mut up.target).policy = export.clone();
                up.adj_out.tell_difference(&before);
            }
        }
    }
    /// Rules may ask for the name: what the peer told is judged by the new one, and everybody is told
    /// what that changes.
    pub(super) fn renamed(&mut self, id: PeerId) {
        let name = self.neighbors.configured_name(id).to_owned();
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        if let Some(asn) = neighbor.judge.as_ref().map(|judge| judge.informant.asn) {
            let informant = neighbor.informant(&name, asn);
            if let Some(judge) = &mut neighbor.judge {
                judge.informant = Arc::clone(&informant);
            }
            self.rib.set_informant(id, informant);
            self.rib.judge_anew(id);
        }
        let ups = self.neighbors.iter_mut();
        let ups = ups.filter_map(|neighbor| neighbor.up.as_mut());
        for up in ups.filter(|up| up.target.policy.asks_who()) {
            up.adj_out.tell_anew();
        }
    }
}
