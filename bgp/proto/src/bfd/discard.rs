//! Why a received packet is dropped, each reason with a number of its own.

/// A reason, in the order of RFC 5880 §6.8.6 after what the way of a packet tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// TTL or hop limit: less than 255 from the link (RFC 5881 §5), less than configured otherwise.
    Ttl,
    /// Fewer octets than any packet has.
    Short,
    /// Version number is not 1.
    Version,
    /// The length field is less than a packet has (24; 26 with authentication), or more than came.
    Length,
    /// Detect Mult is 0.
    Multiplier,
    /// The multipoint bit is set.
    Multipoint,
    /// My Discriminator is 0.
    MyDiscriminator,
    /// No session has Your Discriminator.
    YourDiscriminator,
    /// Your Discriminator is 0, and the state is neither Down nor AdminDown.
    State,
    /// Your Discriminator is 0, and nobody is watched at that address.
    UnknownPeer,
    /// Your Discriminator is that of a session with another address, interface or port.
    WrongPeer,
    /// The authentication bit is set, and none is configured.
    Authentication,
    /// This side is administratively down.
    AdminDown,
}

impl Discard {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Ttl,
        Self::Short,
        Self::Version,
        Self::Length,
        Self::Multiplier,
        Self::Multipoint,
        Self::MyDiscriminator,
        Self::YourDiscriminator,
        Self::State,
        Self::UnknownPeer,
        Self::WrongPeer,
        Self::Authentication,
        Self::AdminDown,
    ];

    /// A stable word for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ttl => "ttl",
            Self::Short => "short",
            Self::Version => "version",
            Self::Length => "length",
            Self::Multiplier => "multiplier",
            Self::Multipoint => "multipoint",
            Self::MyDiscriminator => "my-discriminator",
            Self::YourDiscriminator => "your-discriminator",
            Self::State => "state",
            Self::UnknownPeer => "unknown-peer",
            Self::WrongPeer => "wrong-peer",
            Self::Authentication => "authentication",
            Self::AdminDown => "admin-down",
        }
    }
}

/// How many packets were dropped for which reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    /// One more.
    pub fn count(&mut self, reason: Discard) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// How many for this one.
    #[must_use]
    pub fn of(&self, reason: Discard) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// All reasons with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Discard, u64)> + '_ {
        Discard::ALL.into_iter().zip(self.0)
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
