//! The control packet (RFC 5880 §4.1).

use std::fmt;

use super::Discard;

/// Octets of a packet without authentication.
pub const LEN: usize = 24;
/// The same, as the length field has it.
const LENGTH: u8 = 24;
/// With authentication there are a type and a length more.
const LEN_AUTHENTICATED: u8 = 26;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// The state of a session (§6.2), as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Switched off by whoever is responsible for it.
    AdminDown = 0,
    /// No connection, or just begun.
    Down = 1,
    /// The peer is heard, and does not hear this side yet.
    Init = 2,
    /// Both hear each other.
    Up = 3,
}

impl State {
    fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    /// As the RFC spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why the sender's session changed its state last; 5 bits, others than these survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// Nothing to say.
    pub const NONE: Self = Self(0);
    /// Nothing came for the detection time.
    pub const EXPIRED: Self = Self(1);
    /// The neighbour said that its session is down.
    pub const NEIGHBOR: Self = Self(3);
    /// Switched off.
    pub const ADMIN_DOWN: Self = Self(7);

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            code => return write!(f, "diagnostic {code}"),
        })
    }
}

/// One packet. Intervals are in microseconds, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender's state changed.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// The sender wants an answer with `final_`.
    pub poll: bool,
    /// The answer to a poll.
    pub final_: bool,
    /// C: its BFD lives on when its control plane does not.
    pub independent: bool,
    /// An authentication section follows, which is not looked at.
    pub authenticated: bool,
    /// D: it wants no periodic packets while both sides are up.
    pub demand: bool,
    /// Detect Mult; never 0.
    pub multiplier: u8,
    /// The sender's discriminator; never 0.
    pub my_discriminator: u32,
    /// Ours as the sender knows it; 0: not at all.
    pub your_discriminator: u32,
    /// Desired Min TX Interval.
    pub desired_tx_micros: u32,
    /// Required Min RX Interval; 0: it wants no periodic packets.
    pub required_rx_micros: u32,
    /// Required Min Echo RX Interval; 0: no echo.
    pub required_echo_rx_micros: u32,
}

impl Packet {
    /// What the octets say; what RFC 5880 §6.8.6 discards without looking for a session is refused.
    ///
    /// # Errors
    /// Why it is to be dropped.
    pub fn decode(octets: &[u8]) -> Result<Self, Discard> {
        let Some(packet) = octets.first_chunk::<LEN>() else {
            return Err(Discard::Short);
        };
        let [first, flags, multiplier, length, words @ ..] = packet;
        if first >> 5 != VERSION {
            return Err(Discard::Version);
        }
        let authenticated = flags & AUTHENTICATED != 0;
        let least = if authenticated {
            LEN_AUTHENTICATED
        } else {
            LENGTH
        };
        if *length < least || usize::from(*length) > octets.len() {
            return Err(Discard::Length);
        }
        if *multiplier == 0 {
            return Err(Discard::Multiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        let mut words = words.chunks_exact(4).map(|word| match word {
            [a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
            _ => 0,
        });
        let mut word = || words.next().unwrap_or_default();
        let packet = Self {
            diagnostic: Diagnostic(first & 0x1f),
            state: State::from_bits(flags >> 6),
            poll: flags & POLL != 0,
            final_: flags & FINAL != 0,
            independent: flags & INDEPENDENT != 0,
            authenticated,
            demand: flags & DEMAND != 0,
            multiplier: *multiplier,
            my_discriminator: word(),
            your_discriminator: word(),
            desired_tx_micros: word(),
            required_rx_micros: word(),
            required_echo_rx_micros: word(),
        };
        match packet.my_discriminator {
            0 => Err(Discard::MyDiscriminator),
            _ => Ok(packet),
        }
    }

    /// The octets; without an authentication section whatever `authenticated` says.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let mut octets = [0; LEN];
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = (self.state as u8) << 6
            | flag(self.poll, POLL)
            | flag(self.final_, FINAL)
            | flag(self.independent, INDEPENDENT)
            | flag(self.demand, DEMAND);
        let (head, words) = octets.split_at_mut(4);
        head.copy_from_slice(&[
            VERSION << 5 | self.diagnostic.0 & 0x1f,
            flags,
            self.multiplier,
            LENGTH,
        ]);
        let values = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_tx_micros,
            self.required_rx_micros,
            self.required_echo_rx_micros,
        ];
        for (word, value) in words.chunks_exact_mut(4).zip(values) {
            word.copy_from_slice(&value.to_be_bytes());
        }
        octets
    }
}
