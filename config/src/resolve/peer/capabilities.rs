//! What is offered in OPEN.

use crate::raw::{BGPPeerSpec, FamilySpec, Located, RoleSpec};
use crate::resolve::subject::Subject;
use crate::{AddPath, AddressFamily, Capabilities, Role};

pub(super) fn capabilities(
    subject: &mut Subject<'_>,
    spec: &BGPPeerSpec,
    internal: Option<bool>,
) -> Capabilities {
    let families = families(subject, spec.families.as_ref());
    let add_path = spec.add_path.clone().unwrap_or_default();
    let role = role(subject, spec, internal);
    Capabilities {
        families,
        add_path: AddPath {
            receive: add_path.receive.unwrap_or(false),
            send: subject.number("spec.addPath.send", add_path.send, 0..=32, 0),
        },
        extended_messages: spec.extended_messages.unwrap_or(true),
        role,
        role_strict: role.is_some() && spec.role_strict.is_some_and(|given| given.value),
    }
}

fn role(subject: &mut Subject<'_>, spec: &BGPPeerSpec, internal: Option<bool>) -> Option<Role> {
    if let Some(given) = spec.role_strict.filter(|given| given.value)
        && spec.role.is_none()
    {
        let reason = "asks for the neighbour's role, and this side says none itself";
        let hint = "add role, or remove roleStrict";
        subject.refuse(given.place, "spec.roleStrict", reason, hint);
    }
    let given = spec.role?;
    if internal == Some(true) {
        let reason = "is for eBGP, and this neighbour has this side's AS (RFC 9234 §4.1)";
        subject.refuse(given.place, "spec.role", reason, "remove it");
    }
    Some(match given.value {
        RoleSpec::Provider => Role::Provider,
        RoleSpec::RsServer => Role::RsServer,
        RoleSpec::RsClient => Role::RsClient,
        RoleSpec::Customer => Role::Customer,
        RoleSpec::Peer => Role::Peer,
    })
}

fn families(
    subject: &mut Subject<'_>,
    given: Option<&Located<Vec<Located<FamilySpec>>>>,
) -> Vec<AddressFamily> {
    let Some(given) = given else {
        return AddressFamily::ALL.to_vec();
    };
    let path = "spec.families";
    if given.value.is_empty() {
        let reason = "is empty, and a session without a family carries nothing";
        let hint = "write [ipv4], [ipv6] or [ipv4, ipv6], or leave it out for both";
        subject.refuse(given.place, path, reason, hint);
    }
    let mut families = Vec::with_capacity(2);
    for (index, family) in given.value.iter().enumerate() {
        let resolved = match family.value {
            FamilySpec::Ipv4 => AddressFamily::Ipv4,
            FamilySpec::Ipv6 => AddressFamily::Ipv6,
        };
        if families.contains(&resolved) {
            let reason = format!("{} is listed twice", resolved.to_string().to_lowercase());
            let path = format!("{path}[{index}]");
            subject.refuse(family.place, &path, &reason, "remove one of them");
        } else {
            families.push(resolved);
        }
    }
    families.sort_unstable();
    families
}
