//! How many prefixes a peer may announce, and what has come of it.

use std::time::{Duration, Instant};

use rcni_bgp_proto::Family;
use rcni_bgp_proto::speaker::{Gauged, LimitStatus};
use serde::{Deserialize, Serialize};

/// `maximumPrefixes` of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// `restart`, `shutdown`, `drop` or `warn`.
    pub action: String,
    /// At which part of a limit there is a warning.
    pub warning_percent: u8,
    /// Null: no limit.
    pub ipv4: Option<Limit>,
    /// Null: no limit.
    pub ipv6: Option<Limit>,
    /// The session has been ended for it, and does not come back yet.
    pub down: bool,
    /// When it may come back; null: it is not down, or `rcni-bgp peer start` must be said.
    pub restart_in_seconds: Option<u64>,
}

/// The limit of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limit {
    /// Configured.
    pub limit: u32,
    /// Announced in this session and not withdrawn; paths, where there are several for a prefix.
    pub count: usize,
    /// Announcements in this session that were not taken (action `drop`).
    pub ignored: u64,
}

impl Limits {
    pub(super) fn new(status: &LimitStatus, now: Instant) -> Self {
        let family = |(family, gauged): (Family, Gauged)| {
            status.limits.of(family).map(|limit| Limit {
                limit,
                count: gauged.count,
                ignored: gauged.ignored,
            })
        };
        let [v4, v6] = status.by_family.map(family);
        let left = |at: Instant| {
            let left = at.saturating_duration_since(now) + Duration::from_millis(999);
            left.as_secs()
        };
        Self {
            action: status.limits.action.as_str().to_owned(),
            warning_percent: status.limits.warning_percent,
            ipv4: v4,
            ipv6: v6,
            down: status.held.is_some(),
            restart_in_seconds: status.held.flatten().map(left),
        }
    }

    /// For people: `ipv4 812 of at most 1000, ipv6 3 of at most 100`.
    #[must_use]
    pub fn text(&self) -> String {
        let families = [("ipv4", self.ipv4), ("ipv6", self.ipv6)];
        let families = families
            .iter()
            .filter_map(|(name, limit)| Some((name, limit.as_ref()?)));
        let families = families.map(|(name, limit)| {
            let ignored = match limit.ignored {
                0 => String::new(),
                ignored => format!(" ({ignored} announcements not taken)"),
            };
            format!("{name} {} of at most {}{ignored}", limit.count, limit.limit)
        });
        families.collect::<Vec<_>>().join(", ")
    }
}
