//! Links on which neighbours are looked for.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use crate::discovery::{Report, State};

/// One link of a `peerInterface`, or of a link-local `peerIP`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The BGPPeer's name.
    pub peer: String,
    /// As it is configured: a name, or a pattern.
    pub links: String,
    /// The interface; null if there is none.
    pub interface: Option<String>,
    /// `no-interface`, `down`, `no-carrier`, `no-link-local`, `no-socket`, `waiting`, `found` or `several`.
    pub state: String,
    /// The neighbour with which there is a session, or is to be one.
    pub neighbor: Option<Ipv6Addr>,
    /// Who else advertises itself there.
    pub others: Vec<Ipv6Addr>,
    /// For people: what is the matter and what to do, and what else there is to say.
    pub notes: Vec<String>,
    /// Forged and malformed messages of routers and hosts that were dropped.
    pub dropped: u64,
}

impl Link {
    /// Whether there is somebody to have a session with.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.state == State::Found.as_str()
    }

    /// Whether that means that a session is missing. A pattern may mean links on which nobody is.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        let several = self.state == State::Several.as_str();
        !self.is_found() && (several || self.neighbor.is_none() && !self.links.contains('*'))
    }
}

impl From<&Report> for Link {
    fn from(report: &Report) -> Self {
        let interface = report.interface.as_ref();
        let text = Some(report.text.clone()).filter(|text| !text.is_empty());
        Self {
            peer: report.peer.clone(),
            links: report.links.clone(),
            interface: interface.map(|interface| interface.name.clone()),
            state: report.state.as_str().to_owned(),
            neighbor: report.neighbor,
            others: report.others.clone(),
            notes: text.into_iter().chain(report.notes.clone()).collect(),
            dropped: report.dropped,
        }
    }
}
