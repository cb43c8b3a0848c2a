//! The prefixes of MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760, RFC 7606 §5.3, §7.11).

use super::judge::{Judge, reset};
use crate::Notification;
use crate::attr::NextHop;
use crate::attr::mp::{MpReach, MpUnreach};
use crate::iana::{AttributeCode as Code, Family, update_subcode};
use crate::message::RawAttribute;
use crate::wire::{Nlri, nlri};

/// What the multiprotocol attributes say.
#[derive(Debug, Default)]
pub(super) struct MpRoutes {
    /// MP_REACH_NLRI has prefixes, of whatever family.
    pub(super) reachable: bool,
    /// MP_REACH_NLRI of a negotiated family: its prefixes, at least one, and their next hop.
    pub(super) announced: Option<(Family, Vec<Nlri>, NextHop)>,
    /// MP_UNREACH_NLRI of a negotiated family; no prefix means End-of-RIB.
    pub(super) withdrawn: Option<(Family, Vec<Nlri>)>,
}

impl Judge<'_> {
    /// MP_REACH_NLRI and MP_UNREACH_NLRI. Prefixes that cannot be located end the session
    /// (RFC 7606 §5.3, §7.11); a family that was not negotiated is ignored (RFC 4760 §7).
    pub(super) fn multiprotocol(
        &mut self,
        attributes: &[RawAttribute],
    ) -> Result<MpRoutes, Notification> {
        let mut routes = MpRoutes::default();
        for attribute in attributes {
            match attribute.code {
                Code::MP_REACH_NLRI => self.mp_reach(attribute, &mut routes)?,
                Code::MP_UNREACH_NLRI => self.mp_unreach(attribute, &mut routes)?,
                _ => {}
            }
        }
        Ok(routes)
    }

    fn mp_reach(
        &mut self,
        attribute: &RawAttribute,
        routes: &mut MpRoutes,
    ) -> Result<(), Notification> {
        let error = || reset(update_subcode::OPTIONAL_ATTRIBUTE, attribute);
        let reach = MpReach::parse(&attribute.value).ok_or_else(error)?;
        routes.reachable = !reach.nlri.is_empty();
        if !self.opts.families.contains(&reach.family) {
            self.discard(attribute, "the family was not negotiated");
            return Ok(());
        }
        let extended = self.opts.extended_next_hop.contains(&reach.family);
        let next_hop = reach.next_hop(extended).ok_or_else(error)?;
        let prefixes = self.prefixes(reach.family, reach.nlri).ok_or_else(error)?;
        if !prefixes.is_empty() {
            routes.announced = Some((reach.family, prefixes, next_hop));
        }
        Ok(())
    }

    fn mp_unreach(
        &mut self,
        attribute: &RawAttribute,
        routes: &mut MpRoutes,
    ) -> Result<(), Notification> {
        let error = || reset(update_subcode::OPTIONAL_ATTRIBUTE, attribute);
        let unreach = MpUnreach::parse(&attribute.value).ok_or_else(error)?;
        if !self.opts.families.contains(&unreach.family) {
            self.discard(attribute, "the family was not negotiated");
            return Ok(());
        }
        let prefixes = self.prefixes(unreach.family, unreach.nlri);
        routes.withdrawn = Some((unreach.family, prefixes.ok_or_else(error)?));
        Ok(())
    }

    fn prefixes(&self, family: Family, field: &[u8]) -> Option<Vec<Nlri>> {
        let add_path = self.opts.add_path.receive.contains(&family);
        nlri::parse(field, family.afi, add_path).ok()
    }
}
