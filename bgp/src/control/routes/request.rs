//! Which routes are asked for.

use std::net::IpAddr;

use rcni_bgp_proto::speaker::Listing;
use serde::{Deserialize, Serialize};

use super::Route;
use crate::fib::Prefix;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesRequest {
    /// `10.0.0.0/8`: this prefix; `10.1.2.3`: the most specific one that covers the address. Default:
    /// all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Also what lies in the prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<bool>,
    /// Also what the prefix, or the address, lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covering: Option<bool>,
    /// Only paths of which this became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
    /// Only prefixes of this family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<FamilyName>,
    /// Only of the peer with this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What the peer with this name is told, and why not the rest: of each prefix the best path, or
    /// several where it takes several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Only {
    /// A peer told it, whatever came of it.
    Received,
    /// Usable, and passed by the import rules.
    Accepted,
    /// Rejected by a rule, or unusable.
    Rejected,
    /// In use: the best path, and equal ones beside it.
    Best,
    /// The peer of `to` is told it.
    Advertised,
}

impl Only {
    /// Whether a path belongs to it, by its state.
    #[must_use]
    pub fn has(self, route: &Route) -> bool {
        let state = route.state.as_str();
        match self {
            Self::Received => route.peer.is_some(),
            Self::Accepted => matches!(state, "best" | "multipath" | "lost" | "pending"),
            Self::Rejected => matches!(state, "rejected" | "unusable"),
            Self::Best => matches!(state, "best" | "multipath"),
            Self::Advertised => state == "told",
        }
    }
}

/// A family, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FamilyName {
    /// IPv4 unicast.
    Ipv4,
    /// IPv6 unicast.
    Ipv6,
}

impl FamilyName {
    /// Whether a prefix is of it.
    #[must_use]
    pub fn has(self, prefix: &str) -> bool {
        (self == Self::Ipv6) == prefix.contains(':')
    }
}

/// Which prefixes, as the core is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// As listed.
    Listing(Listing),
    /// The one that covers an address.
    Covering(IpAddr),
}

impl RoutesRequest {
    /// Which prefixes, and where to go on.
    ///
    /// # Errors
    /// What is wrong with the request, for people.
    pub fn check(&self) -> Result<(Wanted, Option<Prefix>), String> {
        let after = self.after.as_deref().map(prefix).transpose()?;
        let within = self.within == Some(true);
        if self.only == Some(Only::Advertised) && self.to.is_none() {
            return Err("--advertised needs a peer: --to NAME\n".to_owned());
        }
        if self.covering == Some(true) {
            return Ok((Wanted::Listing(self.covers()?), after));
        }
        let wanted = match &self.prefix {
            None if within => return Err("--within needs a PREFIX\n".to_owned()),
            None => Wanted::Listing(Listing::All),
            Some(text) if text.contains('/') => {
                let prefix = prefix(text)?;
                Wanted::Listing(match within {
                    true => Listing::Within(prefix),
                    false => Listing::Exact(prefix),
                })
            }
            Some(text) => match text.parse::<IpAddr>() {
                Ok(_) if within => {
                    let text = format!("{text} is an address: --within needs a PREFIX\n");
                    return Err(text);
                }
                Ok(address) => Wanted::Covering(address.to_canonical()),
                Err(_) => return Err(no_prefix(text)),
            },
        };
        Ok((wanted, after))
    }

    fn covers(&self) -> Result<Listing, String> {
        let Some(text) = &self.prefix else {
            return Err("--covering needs a PREFIX or an address\n".to_owned());
        };
        if self.within == Some(true) {
            return Err("--within and --covering are one or the other\n".to_owned());
        }
        let prefix = match text.parse::<IpAddr>() {
            Ok(address) => Prefix::from(address.to_canonical()),
            Err(_) => prefix(text)?,
        };
        Ok(Listing::Covering(prefix))
    }

    /// Whether it is among what is wanted of the prefixes.
    #[must_use]
    pub fn wants(&self, route: &Route) -> bool {
        self.only.is_none_or(|only| only.has(route))
            && self.family.is_none_or(|family| family.has(&route.prefix))
    }
}

fn no_prefix(text: &str) -> String {
    let text = rcni_control::text::escape(text);
    format!("{text} is no prefix: write one like 10.244.0.0/16 or fd00::/64, or an address\n")
}

fn prefix(text: &str) -> Result<Prefix, String> {
    let prefix: Prefix = text.parse().map_err(|_| no_prefix(text))?;
    if prefix.ip() == prefix.network() {
        return Ok(prefix);
    }
    let (network, length) = (prefix.network(), prefix.prefix());
    Err(format!(
        "{text} has host bits: {network}/{length} is the prefix\n"
    ))
}

#[cfg(test)]
mod tests {
    use rcni_bgp_proto::attr::PathAttributes;

    use super::super::Attributes;
    use super::*;

    fn request(prefix: Option<&str>, within: bool) -> RoutesRequest {
        RoutesRequest {
            prefix: prefix.map(str::to_owned),
            within: within.then_some(true),
            ..RoutesRequest::default()
        }
    }

    #[test]
    fn a_prefix_an_address_or_all() {
        let wanted = |prefix, within| request(prefix, within).check().map(|(wanted, _)| wanted);
        assert_eq!(wanted(None, false), Ok(Wanted::Listing(Listing::All)));
        let eight: Prefix = "10.0.0.0/8".parse().unwrap();
        assert_eq!(
            wanted(Some("10.0.0.0/8"), false),
            Ok(Wanted::Listing(Listing::Exact(eight)))
        );
        assert_eq!(
            wanted(Some("10.0.0.0/8"), true),
            Ok(Wanted::Listing(Listing::Within(eight)))
        );
        assert_eq!(
            wanted(Some("fd00::1"), false),
            Ok(Wanted::Covering("fd00::1".parse().unwrap()))
        );
        for (text, within, said) in [
            (Some("10.0.0.1/8"), false, "10.0.0.0/8 is the prefix"),
            (Some("10.0.0.0/40"), false, "is no prefix"),
            (Some("tor"), false, "is no prefix"),
            (Some("10.0.0.1"), true, "is an address"),
            (None, true, "needs a PREFIX"),
        ] {
            let error = wanted(text, within).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_covers_a_prefix_and_what_needs_a_peer() {
        let covering = |prefix: Option<&str>, within: bool| {
            let request = RoutesRequest {
                covering: Some(true),
                ..request(prefix, within)
            };
            request.check().map(|(wanted, _)| wanted)
        };
        let host: Prefix = "10.1.2.3/32".parse().unwrap();
        let wanted = Wanted::Listing(Listing::Covering(host));
        assert_eq!(covering(Some("10.1.2.3"), false), Ok(wanted));
        assert_eq!(covering(Some("10.1.2.3/32"), false), Ok(wanted));
        assert!(covering(None, false).is_err());
        assert!(covering(Some("10.0.0.0/8"), true).is_err());
        let advertised = |to: Option<&str>| RoutesRequest {
            only: Some(Only::Advertised),
            to: to.map(str::to_owned),
            ..RoutesRequest::default()
        };
        let error = advertised(None).check().unwrap_err();
        assert!(error.contains("--to NAME"), "{error}");
        assert!(advertised(Some("tor")).check().is_ok());
    }

    #[test]
    fn a_filter_goes_by_what_became_of_the_path() {
        let route = |state: &str, peer: Option<&str>| Route {
            prefix: "10.0.0.0/8".to_owned(),
            peer: peer.map(str::to_owned),
            path_id: 0,
            state: state.to_owned(),
            reason: None,
            rule: None,
            stale: false,
            attributes: Attributes::new(&PathAttributes::default()),
            received: None,
        };
        let all = [
            "best",
            "multipath",
            "lost",
            "pending",
            "rejected",
            "unusable",
        ];
        let shown = |only: Only| {
            let routes = all
                .iter()
                .filter(|state| only.has(&route(state, Some("tor"))));
            routes.copied().collect::<Vec<_>>()
        };
        assert_eq!(shown(Only::Received), all);
        assert_eq!(shown(Only::Accepted), all[..4]);
        assert_eq!(shown(Only::Rejected), all[4..]);
        assert_eq!(shown(Only::Best), all[..2]);
        assert!(!Only::Received.has(&route("best", None)), "an own network");
        assert!(Only::Advertised.has(&route("told", None)));
        assert!(!Only::Advertised.has(&route("withheld", None)));
        assert!(FamilyName::Ipv6.has("fd00::/8") && !FamilyName::Ipv6.has("10.0.0.0/8"));
    }
}
