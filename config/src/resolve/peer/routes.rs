//! What is done with a neighbour's routes beside the filters, and with those for it.

use std::num::NonZeroU32;

use crate::raw::{
    BGPPeerSpec, Int, LimitActionSpec, Located, MaximumPrefixesSpec, NextHopModeSpec, Place,
    RemovePrivateAsSpec,
};
use crate::resolve::subject::Subject;
use crate::{
    AddressFamily, LimitAction, MaximumPrefixes, NextHopMode, RemovePrivateAs, RouteHandling,
};

/// How long a session that announced too much stays down.
const RESTART_SECS: u16 = 60;
/// At which part of a limit there is a warning.
const WARNING_PERCENT: u8 = 75;

pub(super) fn routes(
    subject: &mut Subject<'_>,
    spec: &BGPPeerSpec,
    internal: Option<bool>,
    families: &[AddressFamily],
) -> RouteHandling {
    let as_override = spec.as_override.filter(|given| given.value);
    let places = [
        ("spec.asOverride", as_override.map(|given| given.place)),
        (
            "spec.removePrivateAS",
            spec.remove_private_as.map(|given| given.place),
        ),
    ];
    for (path, place) in places {
        external_only(subject, path, place, internal);
    }
    let client = spec.route_reflector_client.filter(|given| given.value);
    if let Some(given) = client.filter(|_| internal == Some(false)) {
        let reason = "is for iBGP, and this neighbour has another AS than this side: it gets all \
                      best routes anyway";
        subject.refuse(
            given.place,
            "spec.routeReflectorClient",
            reason,
            "remove it",
        );
    }
    let own = spec.num_allowed_local_as_numbers;
    let limits = spec.maximum_prefixes.as_ref();
    RouteHandling {
        enforce_first_as: spec.enforce_first_as.unwrap_or(true),
        allowed_own_as: subject.number("spec.numAllowedLocalASNumbers", own, 0..=10, 0),
        as_override: as_override.is_some(),
        remove_private_as: spec.remove_private_as.map(|given| match given.value {
            RemovePrivateAsSpec::Remove => RemovePrivateAs::Remove,
            RemovePrivateAsSpec::Replace => RemovePrivateAs::Replace,
        }),
        next_hop: match spec.next_hop_mode.unwrap_or_default() {
            NextHopModeSpec::Auto => NextHopMode::Auto,
            NextHopModeSpec::Own => NextHopMode::Own,
            NextHopModeSpec::Keep => NextHopMode::Keep,
        },
        reflector_client: client.is_some(),
        honor_graceful_shutdown: spec.honor_graceful_shutdown.unwrap_or(true),
        maximum_prefixes: limits.map(|given| maximum_prefixes(subject, given, families)),
    }
}

fn external_only(
    subject: &mut Subject<'_>,
    path: &str,
    place: Option<Place>,
    internal: Option<bool>,
) {
    if let (Some(place), Some(true)) = (place, internal) {
        let reason = "is for eBGP, and this neighbour has this side's AS: paths between such are not \
                      changed";
        subject.refuse(place, path, reason, "remove it");
    }
}

fn maximum_prefixes(
    subject: &mut Subject<'_>,
    given: &Located<MaximumPrefixesSpec>,
    families: &[AddressFamily],
) -> MaximumPrefixes {
    let path = "spec.maximumPrefixes";
    let spec = &given.value;
    if spec.ipv4.is_none() && spec.ipv6.is_none() {
        let hint = "add ipv4, ipv6 or both, each with a number of prefixes; or remove it";
        subject.refuse(given.place, path, "limits no family", hint);
    }
    let mut limit = |family: AddressFamily, given: Option<Located<Int>>| -> Option<NonZeroU32> {
        let given = given?;
        let word = family.to_string().to_lowercase();
        let path = format!("{path}.{word}");
        // Without any family, that is what has been refused.
        if !families.is_empty()
            && !families.contains(&family)
            && !subject.is_unread("spec.families")
        {
            let reason = format!("limits {family} routes, and families has no {word}");
            let hint = format!("remove it, or add {word} to families");
            subject.refuse(given.place, &path, &reason, &hint);
        }
        NonZeroU32::new(subject.number(&path, Some(given), 1..=u32::MAX, 1))
    };
    let ipv4 = limit(AddressFamily::Ipv4, spec.ipv4);
    let ipv6 = limit(AddressFamily::Ipv6, spec.ipv6);
    let restart_path = "spec.maximumPrefixes.restartSeconds";
    let restart_secs = subject.number(
        restart_path,
        spec.restart_seconds,
        1..=u16::MAX,
        RESTART_SECS,
    );
    let action = match spec.action.unwrap_or_default() {
        LimitActionSpec::Restart => LimitAction::Restart(restart_secs),
        LimitActionSpec::Shutdown => LimitAction::Shutdown,
        LimitActionSpec::Drop => LimitAction::Drop,
        LimitActionSpec::Warn => LimitAction::Warn,
    };
    if let Some(given) = spec.restart_seconds
        && !matches!(action, LimitAction::Restart(_))
        && !subject.is_unread("spec.maximumPrefixes.action")
    {
        let reason = "has no meaning with this action: only Restart lets the session come back";
        let hint = "remove it, or write action: Restart";
        subject.refuse(given.place, restart_path, reason, hint);
    }
    MaximumPrefixes {
        ipv4,
        ipv6,
        warning_percent: subject.number(
            "spec.maximumPrefixes.warningPercent",
            spec.warning_percent,
            1..=100,
            WARNING_PERCENT,
        ),
        action,
    }
}
