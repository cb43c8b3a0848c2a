//! The route that drops what is sent to an address of the node's own range that no pod has.
//!
//! Without it such a packet follows the default route back to the router that sent it here, until
//! its TTL is used up. The metric is the worst of all, and pods' own routes are longer, so that
//! nothing else is ever hidden.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt as _;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType,
};
use rcni_config::{Cidr, kernel};
use rtnetlink::{Handle, RouteMessageBuilder};

/// Why the routes are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum BlackholeError {
    /// No netlink socket.
    #[error("cannot talk to the kernel about routes: {0}")]
    Socket(#[from] io::Error),
    /// The kernel lists no routes.
    #[error("cannot list the routes: {0}")]
    List(Box<rtnetlink::Error>),
    /// A route was refused.
    #[error("cannot {verb} the blackhole route for {range}: {source}{hint}")]
    Change {
        /// add or remove.
        verb: &'static str,
        /// Whose.
        range: Cidr,
        /// Why.
        source: Box<rtnetlink::Error>,
        /// What to look at.
        hint: &'static str,
    },
}

/// Own blackhole routes, told by protocol, type, metric and table together.
#[derive(Debug)]
pub struct Blackholes {
    handle: Handle,
    protocol: u8,
}

impl Blackholes {
    /// Opens a netlink socket in the current network namespace.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(protocol: u8) -> Result<Self, BlackholeError> {
        // Strict: the kernel itself picks the routes of our protocol, and 100,000 others are not
        // sent.
        let (connection, handle, _) = rtnetlink::new_connection_with_strict_check()?;
        tokio::spawn(connection);
        Ok(Self { handle, protocol })
    }

    /// Adds what is missing and removes own ones that should not be. Says what it did.
    ///
    /// # Errors
    /// The first refusal; the others were tried.
    pub async fn ensure(&self, wanted: &[Cidr]) -> Result<Vec<String>, BlackholeError> {
        let present = self.list().await?;
        let wanted: BTreeSet<Cidr> = wanted.iter().copied().collect();
        let mut done = Vec::new();
        let mut failed = None;
        for range in wanted.difference(&present) {
            let add = self.handle.route().add(self.message(*range));
            match add.execute().await {
                Ok(()) => done.push(format!("added the blackhole route for {range}")),
                Err(source) => failed = failed.or(Some(refused("add", *range, source))),
            }
        }
        for range in present.difference(&wanted) {
            let del = self.handle.route().del(self.message(*range));
            match del.execute().await {
                Ok(()) => done.push(format!("removed the blackhole route for {range}")),
                Err(source) if errno(&source) == libc::ESRCH => {}
                Err(source) => failed = failed.or(Some(refused("remove", *range, source))),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(done),
        }
    }

    /// Of both families: what is left of one that was configured before has to go.
    async fn list(&self) -> Result<BTreeSet<Cidr>, BlackholeError> {
        let mut found = BTreeSet::new();
        for filter in [
            self.marked(RouteMessageBuilder::<Ipv4Addr>::new()),
            self.marked(RouteMessageBuilder::<Ipv6Addr>::new()),
        ] {
            let family = filter.header.address_family;
            let routes = self.handle.route().get(filter).execute();
            let routes: Vec<RouteMessage> = match routes.try_collect().await {
                Ok(routes) => routes,
                // A kernel without IPv6.
                Err(error) if family == AddressFamily::Inet6 && is_unsupported(&error) => continue,
                Err(error) => return Err(BlackholeError::List(Box::new(error))),
            };
            found.extend(routes.iter().filter_map(|route| self.own(route)));
        }
        Ok(found)
    }

    fn marked<T>(&self, route: RouteMessageBuilder<T>) -> RouteMessage {
        route
            .kind(RouteType::BlackHole)
            .protocol(RouteProtocol::from(self.protocol))
            .table_id(kernel::TABLE_MAIN)
            .build()
    }

    /// The range of a route that is ours.
    fn own(&self, route: &RouteMessage) -> Option<Cidr> {
        let mut address = match route.header.address_family {
            AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let mut metric = 0;
        let mut table = u32::from(route.header.table);
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(found)) => {
                    address = IpAddr::V4(*found);
                }
                RouteAttribute::Destination(RouteAddress::Inet6(found)) => {
                    address = IpAddr::V6(*found);
                }
                RouteAttribute::Priority(found) => metric = *found,
                RouteAttribute::Table(found) => table = *found,
                _ => {}
            }
        }
        let ours = route.header.kind == RouteType::BlackHole
            && u8::from(route.header.protocol) == self.protocol
            && metric == kernel::BLACKHOLE_METRIC
            && table == kernel::TABLE_MAIN;
        let length = route.header.destination_prefix_length;
        ours.then(|| format!("{address}/{length}").parse().ok())?
    }

    fn message(&self, range: Cidr) -> RouteMessage {
        let length = range.prefix_len();
        match range.ip() {
            IpAddr::V4(address) => self.marked(
                RouteMessageBuilder::<Ipv4Addr>::new()
                    .destination_prefix(address, length)
                    .priority(kernel::BLACKHOLE_METRIC),
            ),
            IpAddr::V6(address) => self.marked(
                RouteMessageBuilder::<Ipv6Addr>::new()
                    .destination_prefix(address, length)
                    .priority(kernel::BLACKHOLE_METRIC),
            ),
        }
    }
}

/// A kernel that does not have the family says so in one of these ways.
fn is_unsupported(error: &rtnetlink::Error) -> bool {
    matches!(
        errno(error),
        libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT
    )
}

fn errno(error: &rtnetlink::Error) -> i32 {
    match error {
        rtnetlink::Error::NetlinkError(message) => -message.raw_code(),
        _ => 0,
    }
}

fn refused(verb: &'static str, range: Cidr, source: rtnetlink::Error) -> BlackholeError {
    let hint = match errno(&source) {
        libc::EEXIST => {
            "; there is a route with the same range and metric that is not ours: \
             see `ip route show table main`"
        }
        libc::EPERM => "; root (CAP_NET_ADMIN) is needed",
        _ => "",
    };
    BlackholeError::Change {
        verb,
        range,
        source: Box::new(source),
        hint,
    }
}

/// The route as an `ip` command, for people.
#[must_use]
pub fn as_command(range: Cidr, protocol: u8) -> String {
    let metric = kernel::BLACKHOLE_METRIC;
    format!("ip route add blackhole {range} proto {protocol} metric {metric}")
}
