//! What the listening sockets have seen.

use serde::{Deserialize, Serialize};

use crate::transport::gate::Counts;

/// Connections that others began, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// From a peer's address or range, and let in.
    pub accepted: u64,
    /// Closed at once: from an address that no peer has.
    pub refused_strangers: u64,
    /// Closed at once: one address had too many open.
    pub refused_too_many: u64,
    /// Closed at once: from further away than `spec.ttlSecurity`.
    pub refused_too_far: u64,
    /// Let in, and closed because it had not said an OPEN when others came.
    pub half_open_dropped: u64,
    /// Let in, and without an OPEN at this moment.
    pub half_open: usize,
    /// For people: why somebody out of a `peerRange` may not get a session.
    pub notes: Vec<String>,
}

impl Listener {
    /// What the gate has counted, and what the core thinks of it.
    #[must_use]
    pub fn new(counts: Counts, notes: Vec<String>) -> Self {
        Self {
            notes,
            accepted: counts.accepted,
            refused_strangers: counts.strangers,
            refused_too_many: counts.too_many,
            refused_too_far: counts.too_far,
            half_open_dropped: counts.dropped,
            half_open: counts.waiting,
        }
    }

    /// A line for people, if anybody was turned away.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let said = [
            (self.refused_strangers, "from addresses that no peer has"),
            (self.refused_too_many, "too many from one address"),
            (self.refused_too_far, "from further away than ttlSecurity"),
            (self.half_open_dropped, "without an OPEN when others came"),
        ];
        let said = said.iter().filter(|(count, _)| *count > 0);
        let said = said.map(|(count, why)| format!("{count} {why}"));
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| format!("connections turned away: {}", said.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_what_was_let_in() {
        let mut listener = Listener {
            accepted: 5,
            half_open: 2,
            ..Listener::default()
        };
        assert_eq!(listener.trouble(), None);
        listener.refused_strangers = 3;
        listener.half_open_dropped = 1;
        assert_eq!(
            listener.trouble().unwrap(),
            "connections turned away: 3 from addresses that no peer has, 1 without an OPEN when \
             others came"
        );
    }

    #[test]
    fn its_fields_have_the_names_of_the_document() {
        let json = serde_json::to_value(Listener::default()).unwrap();
        let mut names: Vec<&String> = json.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(
            names,
            [
                "accepted",
                "halfOpen",
                "halfOpenDropped",
                "notes",
                "refusedStrangers",
                "refusedTooFar",
                "refusedTooMany",
            ]
        );
    }
}
