//! The generic checks around the attribute table, in the order of [`super::update`].

use std::sync::Arc;

use bytes::Bytes;

use super::SessionOptions;
use super::destination::is_destination;
use super::multiprotocol::MpRoutes;
use super::update::{Announcement, AttributeProblem, ProblemAction, RouteUpdate, UpdateContext};
use crate::attr::table::{self, ErrorAction, Parsed, Scope, Spec, ValueError};
use crate::attr::{NextHop, PathAttributes, SegmentKind, UnknownAttribute};
use crate::iana::{AS_TRANS, AttributeCode as Code, Family, attribute_flag, update_subcode};
use crate::message::RawAttribute;
use crate::{Nlri, Notification, Update};

/// Octets of an attribute that a problem quotes.
const QUOTED: usize = 64;

/// The state of judging one UPDATE.
pub(super) struct Judge<'a> {
    pub(super) opts: &'a SessionOptions,
    ctx: &'a UpdateContext,
    /// NEXT_HOP says nothing where all prefixes are in MP_REACH_NLRI (RFC 4760 §3).
    ignore_next_hop: bool,
    seen: [bool; 256],
    parsed: Parsed,
    errors: Vec<AttributeProblem>,
    /// The NOTIFICATION of the first error that is more than a discarded attribute.
    withdraw: Option<Notification>,
}

fn quote(octets: &[u8]) -> Bytes {
    Bytes::copy_from_slice(octets.get(..QUOTED).unwrap_or(octets))
}

/// A copy of the offending attribute: the buffer of the whole message is not kept alive.
pub(super) fn reset(subcode: u8, attribute: &RawAttribute) -> Notification {
    Notification::update(subcode, attribute.to_bytes())
}

impl<'a> Judge<'a> {
    pub(super) fn new(update: &Update, opts: &'a SessionOptions, ctx: &'a UpdateContext) -> Self {
        let mut codes = update.attributes.iter().map(|attribute| attribute.code);
        Self {
            opts,
            ctx,
            ignore_next_hop: update.nlri.is_empty() && codes.any(|c| c == Code::MP_REACH_NLRI),
            seen: [false; 256],
            parsed: Parsed::default(),
            errors: Vec::new(),
            withdraw: None,
        }
    }

    fn seen(&self, code: Code) -> bool {
        self.seen
            .get(usize::from(code.0))
            .copied()
            .unwrap_or_default()
    }

    /// Marks a code; false if it was there before.
    fn mark(&mut self, code: Code) -> bool {
        self.seen
            .get_mut(usize::from(code.0))
            .is_some_and(|seen| !std::mem::replace(seen, true))
    }

    fn note(
        &mut self,
        code: Option<Code>,
        action: ProblemAction,
        reason: &'static str,
        octets: &[u8],
    ) {
        self.errors.push(AttributeProblem {
            code,
            action,
            reason,
            octets: quote(octets),
        });
    }

    pub(super) fn discard(&mut self, attribute: &RawAttribute, reason: &'static str) {
        let octets = attribute.to_bytes();
        self.note(
            Some(attribute.code),
            ProblemAction::Discarded,
            reason,
            &octets,
        );
    }

    fn treat_as_withdraw(&mut self, attribute: &RawAttribute, error: ValueError) {
        let octets = attribute.to_bytes();
        self.note(
            Some(attribute.code),
            ProblemAction::TreatedAsWithdraw,
            error.reason,
            &octets,
        );
        self.withdraw
            .get_or_insert_with(|| Notification::update(error.subcode, octets));
    }

    /// One attribute through the generic checks: doubles, unknown codes, scope, flags, value.
    pub(super) fn attribute(&mut self, attribute: &RawAttribute) -> Result<(), Notification> {
        let code = attribute.code;
        if !self.mark(code) {
            // RFC 7606 §3 g.
            if matches!(code, Code::MP_REACH_NLRI | Code::MP_UNREACH_NLRI) {
                return Err(Notification::malformed_attribute_list());
            }
            self.discard(attribute, "repeated; the first one counts");
            return Ok(());
        }
        let Some(spec) = table::find(code) else {
            return self.unknown(attribute);
        };
        if code == Code::NEXT_HOP && self.ignore_next_hop {
            return Ok(());
        }
        if let Some(reason) = self.out_of_scope(spec) {
            self.discard(attribute, reason);
            return Ok(());
        }
        let bits = attribute_flag::OPTIONAL | attribute_flag::TRANSITIVE;
        if attribute.flags & bits != spec.flags {
            let subcode = update_subcode::ATTRIBUTE_FLAGS;
            let reason = "the Optional or Transitive bit is wrong";
            self.treat_as_withdraw(attribute, ValueError { subcode, reason });
            return Ok(());
        }
        self.value(spec, attribute)
    }

    fn out_of_scope(&self, spec: &Spec) -> Option<&'static str> {
        match spec.scope {
            Scope::Internal if self.ctx.peer_is_external => Some("not for external sessions"),
            Scope::TwoOctetAs if self.opts.four_octet_as => {
                Some("not for a session with 4-octet AS numbers")
            }
            _ => None,
        }
    }

    fn value(&mut self, spec: &Spec, attribute: &RawAttribute) -> Result<(), Notification> {
        let Some((parse, _)) = spec.codec else {
            return Ok(()); // Multiprotocol: later, when all flags have been seen.
        };
        match (
            parse(&attribute.value, self.opts, &mut self.parsed),
            spec.on_error,
        ) {
            (Ok(()), _) => {
                if spec.code == Code::AS4_PATH {
                    self.sets_of_as4_path(attribute);
                }
                // AS4_PATH and AS4_AGGREGATOR end here: they are merged and made anew.
                let passed_on = spec.flags == bits_of_transitive() && spec.scope == Scope::Any;
                if passed_on && attribute.flags & attribute_flag::PARTIAL != 0 {
                    self.parsed.attributes.rare_mut().partial.push(spec.code);
                }
                Ok(())
            }
            (Err(error), ErrorAction::Discard) => {
                self.discard(attribute, error.reason);
                Ok(())
            }
            (Err(error), ErrorAction::TreatAsWithdraw) => {
                self.treat_as_withdraw(attribute, error);
                Ok(())
            }
            (Err(error), ErrorAction::Reset) => Err(reset(error.subcode, attribute)),
        }
    }

    /// RFC 9774 §3: a set withdraws in AS4_PATH, too, of which all else that is malformed is
    /// discarded.
    fn sets_of_as4_path(&mut self, attribute: &RawAttribute) {
        let path = self.parsed.as4_path.iter();
        let mut segments = path.flat_map(|path| path.segments());
        if segments.any(|(kind, _)| matches!(kind, SegmentKind::Set | SegmentKind::ConfedSet)) {
            let subcode = update_subcode::MALFORMED_AS_PATH;
            let reason = "an AS_SET is not accepted (RFC 9774)";
            self.treat_as_withdraw(attribute, ValueError { subcode, reason });
        }
    }

    /// RFC 4271 §5: well-known ones must be known, transitive ones are passed on with Partial
    /// set, the others are dropped in silence.
    fn unknown(&mut self, attribute: &RawAttribute) -> Result<(), Notification> {
        let flags = attribute.flags;
        if flags & attribute_flag::OPTIONAL == 0 {
            return Err(reset(update_subcode::UNRECOGNIZED_WELL_KNOWN, attribute));
        }
        if flags & attribute_flag::TRANSITIVE != 0 {
            let unknown = &mut self.parsed.attributes.rare_mut().unknown;
            let at = unknown.partition_point(|other| other.code < attribute.code);
            unknown.insert(
                at,
                UnknownAttribute {
                    flags: bits_of_transitive() | attribute_flag::PARTIAL,
                    code: attribute.code,
                    value: Bytes::copy_from_slice(&attribute.value),
                },
            );
        }
        Ok(())
    }

    /// The last attribute overruns the field (RFC 7606 §4). If it is a multiprotocol one its
    /// prefixes are lost: then there is nothing to withdraw.
    pub(super) fn trailing(&mut self, trailing: &Bytes) -> Result<(), Notification> {
        if trailing.is_empty() {
            return Ok(());
        }
        let code = trailing.get(1).copied().map(Code);
        if matches!(code, Some(Code::MP_REACH_NLRI | Code::MP_UNREACH_NLRI)) {
            let data = Bytes::copy_from_slice(trailing);
            return Err(Notification::update(
                update_subcode::OPTIONAL_ATTRIBUTE,
                data,
            ));
        }
        let reason = "the last attribute overruns the list";
        self.note(code, ProblemAction::TreatedAsWithdraw, reason, trailing);
        self.withdraw
            .get_or_insert_with(Notification::malformed_attribute_list);
        Ok(())
    }

    /// What only the attributes together show: mandatory ones (RFC 7606 §3 d), the path of a
    /// 2-octet peer, the first AS.
    pub(super) fn whole_path(&mut self, reachable: bool, classic: bool) {
        self.merge_as4();
        if !reachable {
            return;
        }
        let mandatory = [
            (Code::ORIGIN, true),
            (Code::AS_PATH, true),
            (Code::NEXT_HOP, classic),
        ];
        for (code, needed) in mandatory {
            if needed && !self.seen(code) {
                self.note(Some(code), ProblemAction::TreatedAsWithdraw, "missing", &[]);
                self.withdraw.get_or_insert_with(|| {
                    let data = Bytes::copy_from_slice(&[code.0]);
                    Notification::update(update_subcode::MISSING_WELL_KNOWN, data)
                });
            }
        }
        let first = self.parsed.attributes.as_path.first();
        let enforced = self.ctx.peer_is_external && self.ctx.enforce_first_as;
        if self.withdraw.is_none() && enforced && first != Some(self.ctx.peer_asn) {
            let reason = "the path does not start with the peer's AS";
            self.note(
                Some(Code::AS_PATH),
                ProblemAction::TreatedAsWithdraw,
                reason,
                &[],
            );
            self.withdraw = Some(Notification::update(
                update_subcode::MALFORMED_AS_PATH,
                Bytes::new(),
            ));
        }
    }

    /// RFC 6793 §4.2.3.
    fn merge_as4(&mut self) {
        let Parsed {
            attributes,
            as4_path,
            as4_aggregator,
        } = &mut self.parsed;
        if let (Some(aggregator), Some(as4_aggregator)) = (attributes.aggregator(), as4_aggregator)
        {
            if aggregator.asn != u32::from(AS_TRANS) {
                // An old speaker aggregated on the way: what it did not know is out of date.
                return;
            }
            attributes.rare_mut().aggregator = Some(*as4_aggregator);
        }
        if let Some(as4_path) = as4_path {
            attributes.as_path = attributes.as_path.merge_as4(as4_path);
        }
    }

    /// RFC 7606 §5.2: without reachable prefixes there is nothing to treat as withdrawn, and what
    /// the sender meant is lost; only discarding an attribute keeps the session.
    pub(super) fn no_reachable_nlri(&mut self, reachable: bool) -> Result<(), Notification> {
        match self.withdraw.take_if(|_| !reachable) {
            Some(notification) => Err(notification),
            None => Ok(()),
        }
    }

    /// Puts the prefixes where the judgement says.
    pub(super) fn finish(mut self, update: Update, routes: MpRoutes) -> RouteUpdate {
        let mut out = RouteUpdate {
            end_of_rib: self.end_of_rib(&update, &routes),
            ..RouteUpdate::default()
        };
        let v4 = Family::IPV4_UNICAST;
        let v4_negotiated = self.opts.families.contains(&v4);
        let classic = !update.nlri.is_empty() || !update.withdrawn.is_empty();
        if classic && !v4_negotiated {
            let reason = "IPv4 unicast was not negotiated: its prefixes are ignored";
            self.note(None, ProblemAction::Discarded, reason, &[]);
        }
        if v4_negotiated && !update.withdrawn.is_empty() {
            out.withdrawn.push((v4, update.withdrawn));
        }
        out.withdrawn.extend(
            routes
                .withdrawn
                .filter(|(_, prefixes)| !prefixes.is_empty()),
        );
        let attributes = std::mem::take(&mut self.parsed.attributes);
        let next_hop = attributes.next_hop;
        let mut groups = Vec::with_capacity(1);
        if v4_negotiated && !update.nlri.is_empty() {
            groups.push((v4, update.nlri, next_hop));
        }
        groups.extend(
            routes
                .announced
                .map(|(family, prefixes, hop)| (family, prefixes, Some(hop))),
        );
        self.place(groups, attributes, &mut out);
        out.errors = self.errors;
        out
    }

    fn place(
        &mut self,
        groups: Vec<(Family, Vec<Nlri>, Option<NextHop>)>,
        attributes: PathAttributes,
        out: &mut RouteUpdate,
    ) {
        let mut attributes = Some(attributes);
        let mut left = groups.len();
        for (family, mut prefixes, next_hop) in groups {
            left -= 1;
            self.ignore_senseless(family, &mut prefixes);
            if prefixes.is_empty() {
                continue;
            }
            if self.withdraw.is_some() || self.unusable(next_hop) {
                out.withdrawn.push((family, prefixes));
                continue;
            }
            let own = if left == 0 {
                attributes.take()
            } else {
                attributes.clone()
            };
            let mut own = own.unwrap_or_default();
            own.next_hop = next_hop;
            out.announced.push(Announcement {
                family,
                prefixes,
                attributes: Arc::new(own),
            });
        }
    }

    /// RFC 4271 §6.3: a prefix that makes no sense is logged and ignored.
    fn ignore_senseless(&mut self, family: Family, prefixes: &mut Vec<Nlri>) {
        let before = prefixes.len();
        prefixes.retain(|nlri| is_destination(&nlri.prefix));
        if prefixes.len() < before {
            let code = (family != Family::IPV4_UNICAST).then_some(Code::MP_REACH_NLRI);
            let reason = "a prefix is no unicast destination";
            self.note(code, ProblemAction::Unusable, reason, &[]);
        }
    }

    /// RFC 4271 §6.3: a next hop that can never work makes the route unusable, not malformed.
    fn unusable(&mut self, next_hop: Option<NextHop>) -> bool {
        let Some(next_hop) = next_hop else {
            return false;
        };
        let own = self.ctx.local_addresses.contains(&next_hop.address());
        let reason = if own {
            Some("the next hop is an own address")
        } else {
            next_hop.semantic_error()
        };
        if let Some(reason) = reason {
            self.note(Some(Code::NEXT_HOP), ProblemAction::Unusable, reason, &[]);
        }
        reason.is_some()
    }

    /// RFC 4724 §2: nothing at all for IPv4 unicast, an MP_UNREACH_NLRI without prefixes for the
    /// others.
    fn end_of_rib(&self, update: &Update, routes: &MpRoutes) -> Option<Family> {
        let no_prefixes = update.nlri.is_empty() && update.withdrawn.is_empty();
        if !no_prefixes || self.seen(Code::MP_REACH_NLRI) {
            return None;
        }
        match &routes.withdrawn {
            Some((family, prefixes)) => prefixes.is_empty().then_some(*family),
            None => {
                let v4 = Family::IPV4_UNICAST;
                (update.attributes.is_empty() && self.opts.families.contains(&v4)).then_some(v4)
            }
        }
    }
}

const fn bits_of_transitive() -> u8 {
    attribute_flag::OPTIONAL | attribute_flag::TRANSITIVE
}
