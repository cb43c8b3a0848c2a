//! What `GET /v1/routes` is asked and answers: one page at a time, so that neither the core nor the
//! socket is held up by a table of a million prefixes. Stable like `GET /v1/status`.

mod render;

use std::net::IpAddr;
use std::sync::Arc;

use rcni_bgp_proto::attr::PathAttributes;
use rcni_bgp_proto::rib::{PathStatus, Withheld};
use rcni_bgp_proto::speaker::{Listing, RouteStatus};
use rcni_config::Community;
use serde::{Deserialize, Serialize};

use crate::fib::Prefix;

pub use render::text;

/// The version of this shape.
pub const VERSION: u32 = 1;
/// LOCAL_PREF of a path that carries none.
const LOCAL_PREF: u32 = 100;

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
}

fn no_prefix(text: &str) -> String {
    let text = crate::text::escape(text);
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

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutesPage {
    /// [`VERSION`].
    pub version: u32,
    /// By prefix.
    pub routes: Vec<Route>,
    /// What to ask for `after`; null: this was the last page. Of what changes between two pages one
    /// state or the other is shown.
    pub next: Option<String>,
}

/// One path of one prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The prefix.
    pub prefix: String,
    /// The name of the peer that told it; null: originated here.
    pub peer: Option<String>,
    /// Which of the peer's paths (RFC 7911); 0 where it tells one.
    pub path_id: u32,
    /// `best`, `multipath`, `lost`, `unusable`, `rejected`, or `pending` while selection waits after a
    /// restart. With `to`: `told` or `withheld`.
    pub state: String,
    /// Why, unless it is best or told.
    pub reason: Option<String>,
    /// The rule (and what else) that rejected it, or that has changed its attributes. With `to`: the
    /// export rule that decided.
    pub rule: Option<String>,
    /// Kept from an earlier session of the peer.
    pub stale: bool,
    /// As in use. With `to`: as told, where it is.
    #[serde(flatten)]
    pub attributes: Attributes,
    /// As received, if rules have changed them.
    pub received: Option<Attributes>,
}

/// What a path says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// NEXT_HOP; a link-local address beside it in parentheses. Null for own networks.
    pub next_hop: Option<String>,
    /// LOCAL_PREF, 100 where there is none.
    pub local_preference: u32,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// ORIGIN: `igp`, `egp` or `incomplete`.
    pub origin: String,
    /// AS_PATH as text: `65001 65002`.
    pub as_path: String,
    /// Communities of the three kinds, as they are written in filters.
    pub communities: Vec<String>,
    /// ORIGINATOR_ID (RFC 4456).
    #[serde(rename = "originatorID", skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub originator_id: Option<String>,
    /// CLUSTER_LIST (RFC 4456).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_list: Vec<String>,
    /// Only to Customer (RFC 9234).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_to_customer: Option<u32>,
}

impl Attributes {
    fn new(attributes: &PathAttributes) -> Self {
        let standard = attributes.communities.iter();
        let standard = standard.map(|value| Community::Standard(*value));
        let extended = attributes.extended_communities().iter();
        let extended = extended.map(|octets| Community::Extended(u64::from_be_bytes(*octets)));
        let large = attributes.large_communities().iter();
        let large = large.map(|[global, local1, local2]| Community::Large {
            global: *global,
            local1: *local1,
            local2: *local2,
        });
        let communities = standard.chain(extended).chain(large);
        let clusters = attributes.cluster_list().iter();
        Self {
            next_hop: attributes.next_hop.map(|next_hop| next_hop.to_string()),
            local_preference: attributes.local_pref.get().unwrap_or(LOCAL_PREF),
            med: attributes.med,
            origin: attributes.origin.to_string(),
            as_path: attributes.as_path.to_string(),
            communities: communities.map(|community| community.to_string()).collect(),
            originator_id: attributes.originator_id().map(|id| id.to_string()),
            cluster_list: clusters.map(ToString::to_string).collect(),
            only_to_customer: attributes.only_to_customer(),
        }
    }
}

/// One path with what only the core knows.
#[derive(Clone, Debug)]
pub struct Found {
    /// The path.
    pub route: RouteStatus,
    /// The name of the peer that told it.
    pub peer: Option<String>,
    /// The rule that rejected or changed it.
    pub rule: Option<Arc<str>>,
    /// Where it was asked what a peer is told: as what it is, or why not.
    pub told: Option<Result<Box<PathAttributes>, Withheld>>,
}

/// Why there are no routes to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoutes {
    /// There is no peer of this name; those that there are.
    NoPeer(String, Vec<String>),
    /// Nobody is told anything without a session.
    NoSession(String),
}

impl From<Found> for Route {
    fn from(found: Found) -> Self {
        let Found {
            route,
            peer,
            rule,
            told,
        } = found;
        if let Some(told) = told {
            return Self::told(&route, peer, rule, told);
        }
        let state = match route.status {
            PathStatus::Pending => "pending",
            PathStatus::Best => "best",
            PathStatus::Multipath => "multipath",
            PathStatus::Lost(_) => "lost",
            PathStatus::Unusable(_) => "unusable",
            PathStatus::Rejected(_) => "rejected",
        };
        let reason = match route.status {
            PathStatus::Best | PathStatus::Multipath => None,
            PathStatus::Pending => Some(route.status.to_string()),
            PathStatus::Lost(step) => Some(step.to_string()),
            PathStatus::Unusable(why) => Some(why.to_string()),
            PathStatus::Rejected(by) => Some(match &rule {
                Some(rule) => rule.to_string(),
                None => by.to_string(),
            }),
        };
        let changed = route.attributes.changed();
        Self {
            prefix: route.prefix.to_string(),
            peer,
            path_id: route.path_id,
            state: state.to_owned(),
            reason,
            rule: rule.map(|rule| rule.to_string()),
            stale: route.stale,
            received: changed.map(|changed| Attributes::new(&changed.received)),
            attributes: Attributes::new(&route.attributes),
        }
    }
}

impl Route {
    fn told(
        route: &RouteStatus,
        peer: Option<String>,
        rule: Option<Arc<str>>,
        told: Result<Box<PathAttributes>, Withheld>,
    ) -> Self {
        let (state, reason, attributes) = match told {
            Ok(told) => ("told", None, Attributes::new(&told)),
            Err(why) => {
                let reason = match (why, &rule) {
                    (Withheld::Policy(_), Some(rule)) => rule.to_string(),
                    _ => why.to_string(),
                };
                ("withheld", Some(reason), Attributes::new(&route.attributes))
            }
        };
        Self {
            prefix: route.prefix.to_string(),
            peer,
            path_id: route.path_id,
            state: state.to_owned(),
            reason,
            rule: rule.map(|rule| rule.to_string()),
            stale: route.stale,
            attributes,
            received: None,
        }
    }
}

#[cfg(test)]
mod tests {
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
}
