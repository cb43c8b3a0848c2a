//! Route leaks: Only to Customer on the way in and out (RFC 9234 §5).
//!
//! | own role | peer is | in, without OTC | in, with OTC | out, without | out, with |
//! | --- | --- | --- | --- | --- | --- |
//! | provider | customer | as it is | leak | ours is put in | told |
//! | rs-server | rs-client | as it is | leak | ours is put in | told |
//! | peer | peer | the peer's is put in | leak, unless it is the peer's | ours is put in | not told |
//! | customer | provider | the peer's is put in | as it is | as it is | not told |
//! | rs-client | rs-server | the peer's is put in | as it is | as it is | not told |
//!
//! Without a role (and always within an AS) the attribute goes through unchanged.

use std::sync::Arc;

use crate::attr::PathAttributes;
use crate::validate::Role;

/// The path with the attribute that the way in puts in; before [`is_leak`].
#[must_use]
pub fn marked(role: Role, peer_asn: u32, attributes: Arc<PathAttributes>) -> Arc<PathAttributes> {
    let marks = matches!(role, Role::Peer | Role::Customer | Role::RouteServerClient);
    if !marks || attributes.only_to_customer().is_some() {
        return attributes;
    }
    let mut attributes = Arc::unwrap_or_clone(attributes);
    attributes.rare_mut().only_to_customer = Some(peer_asn);
    Arc::new(attributes)
}

/// Does a path come from where it cannot come from?
#[must_use]
pub fn is_leak(role: Role, peer_asn: u32, attributes: &PathAttributes) -> bool {
    match (role, attributes.only_to_customer()) {
        (Role::Provider | Role::RouteServer, otc) => otc.is_some(),
        (Role::Peer, otc) => otc.is_some_and(|asn| asn != peer_asn),
        (Role::Customer | Role::RouteServerClient, _) => false,
    }
}

/// Would telling the path be a leak?
#[must_use]
pub fn would_leak(role: Role, attributes: &PathAttributes) -> bool {
    let upwards = matches!(role, Role::Peer | Role::Customer | Role::RouteServerClient);
    upwards && attributes.only_to_customer().is_some()
}

/// Puts in what the way out puts in.
pub fn mark_out(role: Role, local_asn: u32, attributes: &mut PathAttributes) {
    let marks = matches!(role, Role::Peer | Role::Provider | Role::RouteServer);
    if marks && attributes.only_to_customer().is_none() {
        attributes.rare_mut().only_to_customer = Some(local_asn);
    }
}
