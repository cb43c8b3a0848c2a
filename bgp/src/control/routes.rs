//! What `GET /v1/routes` is asked and answers: one page at a time, so that neither the core nor the
//! socket is held up by a table of a million prefixes. Stable like `GET /v1/status`.

mod render;
mod request;

use std::sync::Arc;

use rcni_bgp_proto::attr::PathAttributes;
use rcni_bgp_proto::rib::{PathStatus, Withheld};
use rcni_bgp_proto::speaker::RouteStatus;
use rcni_config::Community;
use serde::{Deserialize, Serialize};

pub use render::text;
pub use request::{FamilyName, Only, RoutesRequest, Wanted};

/// The version of this shape.
pub const VERSION: u32 = 1;
/// LOCAL_PREF of a path that carries none.
const LOCAL_PREF: u32 = 100;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    pub(crate) fn new(attributes: &PathAttributes) -> Self {
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
