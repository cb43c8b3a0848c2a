//! How long what may take.

use crate::raw::{BGPPeerSpec, Int, Located, ProfileSpec};
use crate::resolve::bfd;
use crate::resolve::subject::Subject;
use crate::{HoldTime, Timers};

/// RFC 9687 §5: a slow peer is not dropped before 8 minutes, whatever the hold time is.
const SEND_HOLD_SECS: u32 = 480;
/// The hold time of profile dc.
const DC_HOLD_SECS: u16 = 9;
/// Its keepalives.
const DC_KEEPALIVE_SECS: u16 = 3;

/// Explicit fields win over the profile.
pub(super) fn timers(
    subject: &mut Subject<'_>,
    spec: &BGPPeerSpec,
    profiles: &bfd::Profiles,
) -> Timers {
    let profile = spec.profile.unwrap_or_default();
    let default = match profile {
        ProfileSpec::Default => HoldTime::DEFAULT,
        ProfileSpec::Dc => HoldTime::new(DC_HOLD_SECS).unwrap_or_default(),
    };
    let hold_time = hold_time(subject, spec.hold_time_seconds, default);
    let keepalive_secs = spec
        .keepalive_seconds
        .map(|given| keepalive(subject, given, hold_time, spec));
    let hold_time = hold_time.unwrap_or(default);
    let keepalive_secs = keepalive_secs.or_else(|| {
        let third = hold_time.secs() / 3;
        (profile == ProfileSpec::Dc && third > 0).then_some(DC_KEEPALIVE_SECS.min(third))
    });
    let twice = u32::from(hold_time.secs()) * 2;
    let send_hold_secs = match profile {
        ProfileSpec::Dc if twice > 0 => twice,
        _ => twice.max(SEND_HOLD_SECS),
    };
    let connect_retry_secs = subject.number(
        "spec.connectRetrySeconds",
        spec.connect_retry_seconds,
        1..=u16::MAX,
        5,
    );
    Timers {
        hold_time,
        keepalive_secs,
        send_hold_secs,
        connect_retry_secs,
        bfd: bfd::of_peer(subject, spec, profiles),
    }
}

/// `None` if it was refused.
fn hold_time(
    subject: &mut Subject<'_>,
    given: Option<Located<Int>>,
    default: HoldTime,
) -> Option<HoldTime> {
    let path = "spec.holdTimeSeconds";
    let Some(given) = given else {
        return Some(default);
    };
    let secs = subject.number(path, Some(given), 0..=u16::MAX, 0);
    if i64::from(secs) != given.value.0 || subject.is_unread(path) {
        return None;
    }
    match HoldTime::new(secs) {
        Ok(hold_time) => Some(hold_time),
        Err(error) => {
            let hint = "write 0, or 3 to 65535";
            subject.refuse(given.place, path, &error.to_string(), hint);
            None
        }
    }
}

fn keepalive(
    subject: &mut Subject<'_>,
    given: Located<Int>,
    hold_time: Option<HoldTime>,
    spec: &BGPPeerSpec,
) -> u16 {
    let path = "spec.keepaliveSeconds";
    let secs = subject.number(path, Some(given), 1..=21_845, 1);
    let Some(hold_time) = hold_time else {
        return secs;
    };
    let third = hold_time.secs() / 3;
    if hold_time.secs() == 0 {
        let reason = "does not go with holdTimeSeconds 0, with which there are no keepalives";
        let hint = "remove it, or write a hold time of at least 3";
        subject.refuse(given.place, path, reason, hint);
    } else if secs > third {
        let from = match (spec.hold_time_seconds, spec.profile.unwrap_or_default()) {
            (Some(_), _) => "",
            (None, ProfileSpec::Default) => " (the default)",
            (None, ProfileSpec::Dc) => " (of profile dc)",
        };
        let reason = format!(
            "{secs} is more than a third of holdTimeSeconds {}{from}: one lost keepalive too many \
             would end the session (RFC 4271 §4.4)",
            hold_time.secs()
        );
        let hint = format!("write 1 to {third}, or a longer hold time");
        subject.refuse(given.place, path, &reason, &hint);
    }
    secs
}
