//! How rcni marks what it owns in the kernel.
//!
//! A route is ours by protocol *and* metric *and* table together (and by its type); nothing is told
//! by the protocol number alone.

/// Route protocol number `rcni`, for all routes that rcni makes.
pub const PROTOCOL: u8 = 77;
/// Metric of the routes that came by BGP.
pub const BGP_METRIC: u32 = 77;
/// Metric of a default route that came by BGP: worse than a DHCP client's or networkd's own, so
/// that a ToR's default does not take over the node unasked.
pub const BGP_DEFAULT_ROUTE_METRIC: u32 = 20077;
/// Metric of the blackhole for the node's own pod CIDR: worse than any other route for it, so that
/// only what no pod owns falls in.
pub const BLACKHOLE_METRIC: u32 = 4_278_198_272;
/// The kernel's `main` table.
pub const TABLE_MAIN: u32 = 254;
/// The kernel's `local` table, which the kernel itself fills.
pub const TABLE_LOCAL: u32 = 255;

/// Who already uses a route protocol number, if it cannot be ours.
///
/// 0 to 4 belong to the kernel and to administrators (`rtnetlink.h`). FRR's zebra deletes routes
/// of 11 and of 186 to 199 at its start, as its own leftovers; 12 is BIRD; 80 is Calico.
#[must_use]
pub fn protocol_reserved_for(protocol: u8) -> Option<&'static str> {
    match protocol {
        0..=4 => Some("the kernel and administrators (0 to 4)"),
        11 => Some("zebra"),
        12 => Some("BIRD"),
        80 => Some("Calico"),
        186..=199 => Some("FRR, whose zebra deletes 186 to 199 when it starts"),
        _ => None,
    }
}
