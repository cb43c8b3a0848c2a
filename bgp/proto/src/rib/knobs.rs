//! What is set for one peer about the paths that are exchanged with it, beside the rules.

/// See the fields. The default changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// So many own AS numbers in a received path are no loop (0: none).
    pub allow_own_as: u8,
    /// On export to an external peer its AS number is replaced by ours wherever it is in the path.
    pub as_override: bool,
    /// What becomes of private AS numbers on export to an external peer.
    pub remove_private: Option<RemovePrivate>,
    /// Which next hop the peer is told.
    pub next_hop: NextHopMode,
    /// An internal peer that is a client of ours: we reflect for it (RFC 4456).
    pub client: bool,
    /// A path with GRACEFUL_SHUTDOWN gets LOCAL_PREF 0 (RFC 8326).
    pub honor_graceful_shutdown: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            allow_own_as: 0,
            as_override: false,
            remove_private: None,
            next_hop: NextHopMode::Auto,
            client: false,
            honor_graceful_shutdown: true,
        }
    }
}

/// What becomes of private AS numbers (RFC 6996) in a path, wherever they are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemovePrivate {
    /// They are taken out: the path gets shorter.
    Remove,
    /// Ours stands in their place: the path keeps its length.
    Replace,
}

/// Which next hop a peer is told; [`super::export`] has the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NextHopMode {
    /// As RFC 4271 §5.1.3 has it: to internal peers the learned one, to external ones our own or
    /// that of a third party on the shared network.
    #[default]
    Auto,
    /// Always our own.
    Own,
    /// Always the learned one.
    Keep,
}
