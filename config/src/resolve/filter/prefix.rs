//! The condition about a route's prefix.

use crate::raw::{Int, Located, OperatorSpec, PrefixLengthSpec, RuleSpec};
use crate::resolve::subject::Subject;
use crate::{Cidr, Operator, PrefixMatch};

/// `None` if something was refused; `Some(None)` for a rule without such a condition.
pub(super) fn prefix(
    subject: &mut Subject<'_>,
    path: &str,
    ipv4: bool,
    rule: &Located<RuleSpec>,
) -> Option<Option<PrefixMatch>> {
    let spec = &rule.value;
    let (cidr, operator) = match (&spec.cidr, spec.match_operator) {
        (Some(cidr), Some(operator)) => (cidr, operator),
        (Some(cidr), None) => {
            let hint = "add matchOperator: Equal, NotEqual, In or NotIn";
            let path = format!("{path}.matchOperator");
            subject.refuse(cidr.place, &path, "is required with cidr", hint);
            return None;
        }
        (None, Some(operator)) => {
            let hint = "add cidr, or remove matchOperator to match every route";
            let path = format!("{path}.cidr");
            subject.refuse(
                operator.place,
                &path,
                "is required with matchOperator",
                hint,
            );
            return None;
        }
        (None, None) => {
            let Some(lengths) = &spec.prefix_length else {
                return Some(None);
            };
            let any = if ipv4 { "0.0.0.0/0" } else { "::/0" };
            let hint = format!("add matchOperator: In and cidr: {any}, or whichever is meant");
            let path = format!("{path}.cidr");
            subject.refuse(lengths.place, &path, "is required with prefixLength", &hint);
            return None;
        }
    };
    let cidr_path = format!("{path}.cidr");
    let parsed = subject.cidr(&cidr_path, cidr)?;
    if parsed.is_ipv4() != ipv4 {
        let (is, list) = if ipv4 { ("IPv6", "V4") } else { ("IPv4", "V6") };
        let other = if ipv4 { "V6" } else { "V4" };
        let reason = format!("{parsed} is {is}, and this list is for the other family");
        let hint = format!("move the rule from the {list} list to the {other} list");
        subject.refuse(cidr.place, &cidr_path, &reason, &hint);
        return None;
    }
    let lengths = lengths(subject, path, operator, parsed, spec.prefix_length.as_ref());
    let everything = lengths == Some((0, parsed.max_len()));
    if everything && matches!(operator.value, OperatorSpec::NotIn) {
        let reason = format!("every route lies in {parsed}, so nothing can match");
        subject.refuse(
            cidr.place,
            &cidr_path,
            &reason,
            "write another prefix, or lengths",
        );
        return None;
    }
    lengths.map(|(min_len, max_len)| {
        Some(PrefixMatch {
            operator: resolve(operator.value),
            cidr: parsed,
            min_len,
            max_len,
        })
    })
}

fn resolve(operator: OperatorSpec) -> Operator {
    match operator {
        OperatorSpec::Equal => Operator::Equal,
        OperatorSpec::NotEqual => Operator::NotEqual,
        OperatorSpec::In => Operator::In,
        OperatorSpec::NotIn => Operator::NotIn,
    }
}

/// The shortest and longest length that are inside.
fn lengths(
    subject: &mut Subject<'_>,
    path: &str,
    operator: Located<OperatorSpec>,
    cidr: Cidr,
    given: Option<&Located<PrefixLengthSpec>>,
) -> Option<(u8, u8)> {
    let (own, longest) = (cidr.prefix_len(), cidr.max_len());
    let ranged = matches!(operator.value, OperatorSpec::In | OperatorSpec::NotIn);
    let path = format!("{path}.prefixLength");
    let Some(given) = given else {
        return Some(if ranged { (own, longest) } else { (own, own) });
    };
    if !ranged {
        let reason = format!(
            "has no meaning with {:?}, which is about {cidr} alone",
            operator.value
        );
        subject.refuse(given.place, &path, &reason, "remove it, or use In or NotIn");
        return None;
    }
    let (min, max) = (given.value.min, given.value.max);
    let min_len = bound(subject, &format!("{path}.min"), min, cidr, own);
    let max_len = bound(subject, &format!("{path}.max"), max, cidr, longest);
    let (min_len, max_len) = (min_len?, max_len?);
    if min_len > max_len {
        let place = min.or(max).map_or(given.place, |bound| bound.place);
        let reason = format!("min {min_len} is greater than max {max_len}, so nothing can match");
        subject.refuse(
            place,
            &path,
            &reason,
            &format!("write {own} <= min <= max <= {longest}"),
        );
        return None;
    }
    Some((min_len, max_len))
}

fn bound(
    subject: &mut Subject<'_>,
    path: &str,
    given: Option<Located<Int>>,
    cidr: Cidr,
    default: u8,
) -> Option<u8> {
    let Some(given) = given else {
        return Some(default);
    };
    let (own, longest) = (cidr.prefix_len(), cidr.max_len());
    let reason = match u8::try_from(given.value.0) {
        Ok(length) if (own..=longest).contains(&length) => return Some(length),
        Ok(length) if length < own => {
            format!("{length} is shorter than {cidr} itself, so nothing that short is within it")
        }
        _ => format!("{} is not a prefix length of this family", given.value.0),
    };
    subject.refuse(
        given.place,
        path,
        &reason,
        &format!("write {own} to {longest}"),
    );
    None
}
