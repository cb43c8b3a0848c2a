//! What `POST /v1/peer` takes: an order to one peer.

use rcni_bgp_proto::speaker::Order;
use serde::{Deserialize, Serialize};

use rcni_control::text::escape;

/// Octets of a shutdown communication at most (RFC 9003 §2).
pub const MESSAGE_MAX: usize = 255;
/// Names that are listed where one is not known.
const NAMES_SHOWN: usize = 20;

/// The whole request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerOrder {
    /// Its name, as status shows it.
    pub peer: String,
    /// What to do.
    pub order: Verb,
    /// For the operator on the other side (RFC 9003).
    #[serde(default)]
    pub message: String,
}

/// What can be done with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// End the session and let none come up.
    Shutdown,
    /// Undo that.
    Start,
    /// End the session, and begin it again.
    Reset,
}

impl Verb {
    /// For the speaker.
    #[must_use]
    pub fn with(self, message: String) -> Order {
        match self {
            Self::Shutdown => Order::Shutdown(message),
            Self::Start => Order::Start,
            Self::Reset => Order::Reset(message),
        }
    }
}

impl PeerOrder {
    /// Whether it can be carried out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        check_message(&self.message)
    }
}

/// Whether a shutdown communication fits.
///
/// # Errors
/// What is wrong with it.
pub fn check_message(message: &str) -> Result<(), String> {
    let octets = message.len();
    if octets > MESSAGE_MAX {
        return Err(format!(
            "--message has {octets} octets of UTF-8, and {MESSAGE_MAX} are sent at most \
             (RFC 9003): write a shorter one"
        ));
    }
    Ok(())
}

/// What has been done. `shut_down`: the peer was, before.
#[must_use]
pub fn done(peer: &str, order: &Order, shut_down: bool) -> String {
    match order {
        Order::Shutdown(_) => format!(
            "{peer} is shut down, until `rcni-bgp peer start {peer}` or the daemon's next start\n"
        ),
        Order::Start => format!("{peer} is started\n"),
        Order::Reset(_) if shut_down => format!(
            "{peer} is shut down, so there is nothing to reset; `rcni-bgp peer start {peer}` \
             starts it\n"
        ),
        Order::Reset(_) => format!("{peer} is reset\n"),
    }
}

/// What `start` has done where nobody is found on the peer's link.
#[must_use]
pub fn started_absent(peer: &str) -> String {
    format!(
        "{peer} is not shut down; it is not there at the moment, and starts when it is found on its \
         link (`rcni-bgp status`)\n"
    )
}

/// For people: which peers there are.
#[must_use]
pub fn no_such_peer(peer: &str, names: &[String]) -> String {
    let peer = escape(peer);
    if names.is_empty() {
        return format!("there is no peer {peer:?}: there are no peers at all");
    }
    let shown: Vec<String> = names
        .iter()
        .take(NAMES_SHOWN)
        .map(|name| escape(name))
        .collect();
    let more = match names.len().checked_sub(NAMES_SHOWN) {
        Some(more) if more > 0 => format!(" and {more} more, see `rcni-bgp status`"),
        _ => String::new(),
    };
    format!(
        "there is no peer {peer:?}; there are {}{more}",
        shown.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_of_what_is_shut_down_is_not_said_to_be_done() {
        let reset = Order::Reset(String::new());
        assert_eq!(done("tor", &reset, false), "tor is reset\n");
        let text = done("tor", &reset, true);
        assert!(text.contains("nothing to reset"), "{text}");
        assert!(text.contains("`rcni-bgp peer start tor`"), "{text}");
    }

    #[test]
    fn a_message_is_counted_in_octets_and_the_error_says_so() {
        let order = |message: String| PeerOrder {
            peer: "tor".to_owned(),
            order: Verb::Shutdown,
            message,
        };
        assert_eq!(order("a".repeat(255)).check(), Ok(()));
        let text = order("ö".repeat(128)).check().unwrap_err();
        assert!(
            text.contains("256 octets") && text.contains("255"),
            "{text}"
        );
    }

    #[test]
    fn who_asks_for_a_peer_that_is_not_there_is_told_who_is() {
        let names: Vec<String> = (0..25).map(|number| format!("peer-{number}")).collect();
        let text = no_such_peer("to\u{1b}r", &names[..2]);
        assert!(text.ends_with("there are peer-0, peer-1"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let text = no_such_peer("tor", &names);
        assert!(text.contains("peer-19 and 5 more"), "{text}");
        assert!(no_such_peer("tor", &[]).contains("no peers at all"));
    }
}
