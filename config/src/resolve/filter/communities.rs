//! Lists of communities.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use crate::community::CommunityError;
use crate::raw::{CommunitiesSpec, Located, SetCommunitiesSpec};
use crate::resolve::subject::Subject;
use crate::similar::closest;
use crate::{Community, CommunityChanges, CommunityMatch, CommunityPattern};

/// More are refused: every route is compared with all of them.
const MAX_COMMUNITIES: usize = 64;
const FORMS: &str = "write 65000:100, rt:65000:100, ro:65000:100, 65000:1:2 or a name";

type Given<'a> = Option<&'a Located<Vec<Located<String>>>>;

/// A condition.
pub(super) fn matches(
    subject: &mut Subject<'_>,
    path: &str,
    given: &Located<CommunitiesSpec>,
) -> CommunityMatch {
    let spec = &given.value;
    let (any, all, none) = (&spec.any_of, &spec.all_of, &spec.none_of);
    if any.is_none() && all.is_none() && none.is_none() {
        let hint = "add anyOf, allOf or noneOf, or remove it";
        subject.refuse(given.place, path, "says nothing", hint);
    }
    let any_of = list(subject, &format!("{path}.anyOf"), any.as_ref());
    let all_of = list(subject, &format!("{path}.allOf"), all.as_ref());
    let none_of: Vec<Community> = list(subject, &format!("{path}.noneOf"), none.as_ref());
    let refused = all_of.iter().find(|wanted| none_of.contains(wanted));
    let impossible = refused.or_else(|| {
        let possible = any_of.iter().any(|wanted| !none_of.contains(wanted));
        any_of.first().filter(|_| !possible)
    });
    if let (Some(community), Some(none)) = (impossible, none) {
        let path = format!("{path}.noneOf");
        let reason = format!("forbids {community}, which another list asks for: nothing can match");
        subject.refuse(none.place, &path, &reason, "remove it from one of them");
    }
    CommunityMatch {
        any_of,
        all_of,
        none_of,
    }
}

/// What is added and removed.
pub(super) fn changes(
    subject: &mut Subject<'_>,
    path: &str,
    given: &Located<SetCommunitiesSpec>,
) -> CommunityChanges {
    let spec = &given.value;
    if spec.add.is_none() && spec.remove.is_none() {
        let hint = "add the field add or remove, or remove it";
        subject.refuse(given.place, path, "says nothing", hint);
    }
    CommunityChanges {
        remove: list(subject, &format!("{path}.remove"), spec.remove.as_ref()),
        add: list(subject, &format!("{path}.add"), spec.add.as_ref()),
    }
}

/// Neither empty nor too long, and nothing twice.
fn list<T>(subject: &mut Subject<'_>, path: &str, given: Given<'_>) -> Vec<T>
where
    T: FromStr<Err = CommunityError> + Display + Ord + Copy,
{
    let Some(given) = given else {
        return Vec::new();
    };
    if given.value.is_empty() {
        let hint = "write at least one community, or leave it out";
        subject.refuse(given.place, path, "is empty", hint);
    }
    if given.value.len() > MAX_COMMUNITIES {
        let reason = format!("has {} communities", given.value.len());
        let hint = format!("write at most {MAX_COMMUNITIES}");
        subject.refuse(given.place, path, &reason, &hint);
    }
    let mut seen = BTreeSet::new();
    let mut resolved = Vec::new();
    for (index, text) in given.value.iter().enumerate().take(MAX_COMMUNITIES) {
        let path = format!("{path}[{index}]");
        let Some(community) = parsed(subject, &path, text) else {
            continue;
        };
        if seen.insert(community) {
            resolved.push(community);
        } else {
            let reason = format!("{community} is listed twice");
            subject.refuse(text.place, &path, &reason, "remove one of them");
        }
    }
    resolved
}

fn parsed<T>(subject: &mut Subject<'_>, path: &str, given: &Located<String>) -> Option<T>
where
    T: FromStr<Err = CommunityError>,
{
    let text = given.value.as_str();
    let error = match text.parse() {
        Ok(community) => return Some(community),
        Err(error) => error,
    };
    let (reason, hint) = match error {
        CommunityError::Form => {
            let only_removed = text.parse::<CommunityPattern>().is_ok();
            let hint = if only_removed {
                "is for set.communities.remove only; write one community".to_owned()
            } else {
                form_hint(text)
            };
            (format!("{text:?} is not a community"), hint)
        }
        CommunityError::Extended | CommunityError::Opaque => (
            format!("{text:?} is not a community: {error}"),
            "write such as rt:65000:100, rt:10.0.0.1:100 or ext:0x0002fde800000064".to_owned(),
        ),
        CommunityError::Standard => (
            format!("{text:?} is not a community: {error}"),
            "for an AS number of 4 octets write a large community such as 4200000000:1:2"
                .to_owned(),
        ),
        CommunityError::Large => (
            format!("{text:?} is not a community: {error}"),
            "write three numbers of 0 to 4294967295".to_owned(),
        ),
    };
    subject.refuse(given.place, path, &reason, &hint);
    None
}

fn form_hint(text: &str) -> String {
    let names: Vec<&str> = Community::names().collect();
    match closest(text, &names) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("{FORMS}: {}", names.join(", ")),
    }
}
