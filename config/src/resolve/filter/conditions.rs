//! What a rule asks of a route.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Context, List, communities, prefix};
use crate::as_path_regex::{AsPathRegexError, MAX_PATTERN};
use crate::raw::{AsPathSpec, Int, Located, NeighborSpec, RuleSpec, SourceSpec};
use crate::resolve::subject::Subject;
use crate::{AsPathMatch, AsPathRegex, Asn, Cidr, Conditions, NeighborMatch, Source};

/// Of all filters together: a short pattern may take [32 KiB](AsPathRegex).
const MAX_REGEXES: usize = 1024;

/// `None` if the prefix was refused.
pub(super) fn conditions(
    subject: &mut Subject<'_>,
    path: &str,
    list: List,
    rule: &Located<RuleSpec>,
    context: &Context<'_>,
) -> Option<Conditions> {
    let spec = &rule.value;
    let prefix = prefix::prefix(subject, path, list.ipv4, rule);
    let communities = spec.communities.as_ref().map(|given| {
        let path = format!("{path}.communities");
        communities::matches(subject, &path, given)
    });
    let as_path = spec.as_path.as_ref().map(|given| {
        let path = format!("{path}.asPath");
        as_path(subject, &path, given, context)
    });
    let next_hop = spec.next_hop.as_ref().and_then(|given| {
        let path = format!("{path}.nextHop");
        address_or_prefix(subject, &path, given)
    });
    let neighbor = spec.neighbor.as_ref().map(|given| {
        let path = format!("{path}.neighbor");
        neighbor(subject, &path, given, &context.peers)
    });
    let source = source(subject, path, list, spec);
    Some(Conditions {
        prefix: prefix?,
        communities: communities.unwrap_or_default(),
        as_path: as_path.unwrap_or_default(),
        next_hop,
        neighbor: neighbor.unwrap_or_default(),
        source,
    })
}

fn as_path(
    subject: &mut Subject<'_>,
    path: &str,
    given: &Located<AsPathSpec>,
    context: &Context<'_>,
) -> AsPathMatch {
    let spec = &given.value;
    let fields = [
        spec.contains,
        spec.origin,
        spec.neighbor,
        spec.min_length,
        spec.max_length,
    ];
    if fields.iter().all(Option::is_none) && spec.regex.is_none() {
        let hint = "add contains, origin, neighbor, minLength, maxLength or regex, or remove it";
        subject.refuse(given.place, path, "says nothing", hint);
    }
    let mut asn = |field: &str, given: Option<Located<Int>>| -> Option<Asn> {
        subject.asn(&format!("{path}.{field}"), given?)
    };
    let contains = asn("contains", spec.contains);
    let origin = asn("origin", spec.origin);
    let neighbor = asn("neighbor", spec.neighbor);
    let mut length = |field: &str, given: Option<Located<Int>>| -> Option<u16> {
        let given = given?;
        let path = format!("{path}.{field}");
        Some(subject.number(&path, Some(given), 0..=u16::MAX, 0))
    };
    let min_length = length("minLength", spec.min_length);
    let max_length = length("maxLength", spec.max_length);
    if let (Some(min), Some(max), Some(at)) = (min_length, max_length, spec.max_length)
        && min > max
        && spec
            .min_length
            .is_some_and(|given| given.value.0 > at.value.0)
    {
        let reason =
            format!("minLength {min} is greater than maxLength {max}, so nothing can match");
        let hint = format!("write {min} or more, or a smaller minLength");
        subject.refuse(at.place, &format!("{path}.maxLength"), &reason, &hint);
    }
    let regex = spec
        .regex
        .as_ref()
        .and_then(|given| regex(subject, &format!("{path}.regex"), given, context));
    AsPathMatch {
        contains,
        origin,
        neighbor,
        min_length,
        max_length,
        regex,
    }
}

fn regex(
    subject: &mut Subject<'_>,
    path: &str,
    given: &Located<String>,
    context: &Context<'_>,
) -> Option<AsPathRegex> {
    let before = context.regexes.replace(context.regexes.get() + 1);
    if before >= MAX_REGEXES {
        // Once is enough.
        if before == MAX_REGEXES {
            let reason =
                format!("is one more than {MAX_REGEXES} regular expressions in all filters");
            let hint =
                "join several such as _(65001|65002)_, or ask for origin, neighbor or contains";
            subject.refuse(given.place, path, &reason, hint);
        }
        return None;
    }
    let error = match AsPathRegex::new(&given.value) {
        Ok(regex) => return Some(regex),
        Err(error) => error,
    };
    let (reason, hint) = match &error {
        AsPathRegexError::Empty => (
            "is empty".to_owned(),
            "write ^$ for paths that are empty, or leave it out".to_owned(),
        ),
        AsPathRegexError::TooLong(_) => (
            error.to_string(),
            format!("write at most {MAX_PATTERN} bytes, or several rules"),
        ),
        AsPathRegexError::Syntax(syntax) => (
            format!(
                "{:?} is no regular expression that can be used: {syntax}",
                given.value
            ),
            r"write such as ^65001_ or _(65001|65002)_; the brackets of a set are \{ and \}"
                .to_owned(),
        ),
    };
    subject.refuse(given.place, path, &reason, &hint);
    None
}

/// `10.0.1.1` is `10.0.1.1/32`.
fn address_or_prefix(
    subject: &mut Subject<'_>,
    path: &str,
    given: &Located<String>,
) -> Option<Cidr> {
    match given.value.parse::<IpAddr>() {
        Ok(address) => Some(Cidr::host(address)),
        Err(_) => subject.cidr(path, given),
    }
}

fn neighbor(
    subject: &mut Subject<'_>,
    path: &str,
    given: &Located<NeighborSpec>,
    peers: &BTreeSet<&str>,
) -> NeighborMatch {
    let spec = &given.value;
    if spec.name.is_none() && spec.address.is_none() && spec.as_number.is_none() {
        let hint = "add name, address or asNumber, or remove it";
        subject.refuse(given.place, path, "says nothing", hint);
    }
    if let Some(name) = &spec.name {
        let path = format!("{path}.name");
        subject.refuse_unknown("BGPPeer", name, &path, peers.iter().copied());
    }
    let address = spec.address.as_ref();
    let path_asn = format!("{path}.asNumber");
    NeighborMatch {
        name: spec.name.as_ref().map(|name| name.value.clone()),
        address: address
            .and_then(|given| address_or_prefix(subject, &format!("{path}.address"), given)),
        asn: spec
            .as_number
            .and_then(|given| subject.asn(&path_asn, given)),
    }
}

fn source(subject: &mut Subject<'_>, path: &str, list: List, spec: &RuleSpec) -> Option<Source> {
    let given = spec.source?;
    let path = format!("{path}.source");
    if given.value == SourceSpec::Own {
        if !list.export {
            let reason = "Own has no meaning in an import rule: what comes from a neighbour is not \
                          one of the own networks";
            let hint = "move the rule to the export list, or remove source";
            subject.refuse(given.place, &path, reason, hint);
        } else if spec.neighbor.is_some() {
            let reason = "Own does not go with neighbor: no neighbour told own networks, so nothing \
                          can match";
            subject.refuse(given.place, &path, reason, "remove one of them");
        }
    }
    Some(match given.value {
        SourceSpec::Own => Source::Own,
        SourceSpec::External => Source::External,
        SourceSpec::Internal => Source::Internal,
        SourceSpec::RemotePeers => Source::RemotePeers,
    })
}
