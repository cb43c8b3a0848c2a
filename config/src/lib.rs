//! What a node is told to do, and the words that all of rcni's programs share.
//!
//! ```text
//! file -> load -> raw (serde mirror, with lines) -> resolve -> resolved (valid by type)
//! ```
//!
//! A program calls [`load_speaker`] or [`load_felix`] once and gets either a configuration that
//! needs no further checks, or [`ConfigErrors`]: everything that is wrong, each with file, line,
//! field, reason and what to write instead.

pub mod as_path_regex;
pub mod asn;
pub mod cidr;
pub mod community;
#[cfg(feature = "crd")]
pub mod crd;
pub mod error;
pub mod hold_time;
pub mod kernel;
pub mod links;
pub mod load;
pub mod password;
pub mod paths;
pub mod raw;
pub mod reserved;
pub mod resolve;
pub mod resolved;
mod secrets;
mod similar;

pub use as_path_regex::AsPathRegex;
pub use asn::Asn;
pub use cidr::Cidr;
pub use community::{Community, CommunityPattern};
pub use error::{ConfigError, ConfigErrors};
pub use hold_time::HoldTime;
pub use links::LinkPattern;
pub use load::{
    load_felix, load_speaker, parse_felix, parse_speaker, read_text, readable_passwords,
};
pub use password::Password;
pub use resolved::{
    Action, AddPath, AddressFamily, AoAlgorithm, AoKey, AsPathMatch, BfdProfile, Capabilities,
    Changes, CniConfig, CommunityChanges, CommunityMatch, Conditions, FelixConfig, Filter,
    GracefulRestart, IptablesBackend, KernelConfig, LimitAction, MaximumPrefixes, Multipath,
    NeighborMatch, NextHopChange, NextHopGroups, NextHopMode, NexthopCompatMode, NodeAddresses,
    Operator, PeerConfig, PrefixMatch, Prepend, Remote, RemoteAs, RemovePrivateAs, ResilientGroups,
    Role, RouteHandling, Rule, Security, Source, SpeakerConfig, Timers, Ttl,
};
