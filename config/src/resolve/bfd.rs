//! How the ways to neighbours are watched.

use std::collections::BTreeMap;

use super::Report;
use super::subject::Subject;
use crate::BfdProfile;
use crate::raw::{BFDProfileSpec, BGPPeerSpec, Object};

/// The profile that needs no document.
const DEFAULT: &str = "default";

/// All profiles by name.
pub(super) type Profiles = BTreeMap<String, BfdProfile>;

/// Those of the documents, and the one that is always there.
pub(super) fn profiles(report: &mut Report, objects: &[Object<BFDProfileSpec>]) -> Profiles {
    let mut profiles = Profiles::from([(DEFAULT.to_owned(), BfdProfile::default())]);
    for object in objects {
        let mut subject = Subject::new(report, "BFDProfile", object);
        let profile = profile(&mut subject, &object.spec);
        profiles.insert(object.name.value.clone(), profile);
    }
    profiles
}

fn profile(subject: &mut Subject<'_>, spec: &BFDProfileSpec) -> BfdProfile {
    let default = BfdProfile::default();
    BfdProfile {
        transmit_ms: subject.number(
            "spec.transmitIntervalMilliseconds",
            spec.transmit_interval_milliseconds,
            10..=60_000,
            default.transmit_ms,
        ),
        receive_ms: subject.number(
            "spec.receiveIntervalMilliseconds",
            spec.receive_interval_milliseconds,
            10..=60_000,
            default.receive_ms,
        ),
        multiplier: subject.number(
            "spec.detectMultiplier",
            spec.detect_multiplier,
            1..=u8::MAX,
            default.multiplier,
        ),
        passive: spec.passive.unwrap_or(default.passive),
        minimum_ttl: subject.number(
            "spec.minimumTTL",
            spec.minimum_ttl,
            1..=254,
            default.minimum_ttl,
        ),
    }
}

/// The profile that a peer names.
pub(super) fn of_peer(
    subject: &mut Subject<'_>,
    spec: &BGPPeerSpec,
    known: &Profiles,
) -> Option<BfdProfile> {
    let name = spec.bfd_profile.as_ref()?;
    let names = known.keys().map(String::as_str);
    subject.refuse_unknown("BFDProfile", name, "spec.bfdProfile", names);
    known.get(&name.value).copied()
}
