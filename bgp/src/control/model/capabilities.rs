//! Who offered what in its OPEN, and what the session does of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use rcni_bgp_proto::capability::{Capability as Offered, GracefulRestartCapability};
use rcni_bgp_proto::speaker::SessionStatus;
use rcni_bgp_proto::validate::{Negotiated, Role};
use serde::{Deserialize, Serialize};

/// An established session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Own end, `10.0.1.11:43210`.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// The peer's BGP Identifier.
    #[serde(rename = "routerID")]
    pub router_id: Ipv4Addr,
    /// By name.
    pub capabilities: Vec<Capability>,
}

/// One capability; of multiprotocol there is one for each family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// `multiprotocol ipv4 unicast`, `graceful-restart`, …; `code 131` if it is not known.
    pub name: String,
    /// What this side offered in it, empty where there is no more to it than its name; null: nothing.
    pub sent: Option<String>,
    /// What the peer offered.
    pub received: Option<String>,
    /// Whether the session does it.
    pub in_use: bool,
}

impl From<&SessionStatus> for Session {
    fn from(session: &SessionStatus) -> Self {
        let mut found: BTreeMap<(u8, String), [Option<String>; 2]> = BTreeMap::new();
        let sides = [&session.capabilities_sent, &session.capabilities_received];
        for (side, offered) in sides.into_iter().enumerate() {
            for capability in offered {
                let entry = found.entry((capability.code(), name(capability)));
                // Of several of one name the last counts (RFC 5492 §4).
                entry.or_default()[side] = Some(value(capability));
            }
        }
        let capability = |((code, name), [sent, received]): ((u8, String), [Option<String>; 2])| {
            let both = sent.is_some() && received.is_some();
            Capability {
                in_use: both && is_in_use(code, &name, &session.negotiated),
                name,
                sent,
                received,
            }
        };
        Self {
            local: session.local.to_string(),
            remote: session.remote.to_string(),
            router_id: session.peer_bgp_id,
            capabilities: found.into_iter().map(capability).collect(),
        }
    }
}

fn name(capability: &Offered) -> String {
    let name = match capability {
        Offered::Multiprotocol(family) => return format!("multiprotocol {family}"),
        Offered::Unknown { code, .. } => return format!("code {code}"),
        Offered::RouteRefresh => "route-refresh",
        Offered::ExtendedNextHop(_) => "extended-next-hop",
        Offered::ExtendedMessage => "extended-message",
        Offered::Role(_) => "role",
        Offered::GracefulRestart(_) => "graceful-restart",
        Offered::FourOctetAs(_) => "four-octet-as",
        Offered::AddPath(_) => "add-path",
        Offered::EnhancedRouteRefresh => "enhanced-route-refresh",
        Offered::LongLivedGracefulRestart(_) => "long-lived-graceful-restart",
    };
    name.to_owned()
}

fn value(capability: &Offered) -> String {
    match capability {
        Offered::Multiprotocol(_)
        | Offered::RouteRefresh
        | Offered::ExtendedMessage
        | Offered::EnhancedRouteRefresh => String::new(),
        Offered::ExtendedNextHop(families) => {
            let afi = |afi: u16| match afi {
                1 => "ipv4".to_owned(),
                2 => "ipv6".to_owned(),
                afi => format!("AFI {afi}"),
            };
            listed(families, |(family, by)| {
                format!("{family} over {}", afi(*by))
            })
        }
        Offered::Role(role) => match Role::from_wire(*role) {
            Some(role) => role.to_string(),
            None => format!("unassigned {role}"),
        },
        Offered::GracefulRestart(value) => graceful(value),
        Offered::FourOctetAs(asn) => asn.to_string(),
        Offered::AddPath(families) => listed(families, |(family, mode)| {
            let mode = match mode {
                1 => "receive",
                2 => "send",
                3 => "send and receive",
                _ => "unassigned mode",
            };
            format!("{family} {mode}")
        }),
        Offered::LongLivedGracefulRestart(families) => listed(families, |entry| {
            let kept = if entry.forwarding { ", state kept" } else { "" };
            format!("{} {} s{kept}", entry.family, entry.stale_secs)
        }),
        Offered::Unknown { value, .. } => format!("{} octets", value.len()),
    }
}

fn graceful(value: &GracefulRestartCapability) -> String {
    let mut words = vec![format!("{} s", value.time_secs)];
    if value.restart {
        words.push("has just restarted".to_owned());
    }
    if value.notification {
        words.push("also over NOTIFICATIONs".to_owned());
    }
    words.extend(value.families.iter().map(|(family, kept)| match kept {
        true => format!("{family} (state kept)"),
        false => family.to_string(),
    }));
    words.join(", ")
}

fn listed<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    values.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// What both have offered may still come to nothing: no family in common, the same direction twice.
fn is_in_use(code: u8, name: &str, negotiated: &Negotiated) -> bool {
    use rcni_bgp_proto::iana::capability_code as codes;
    let options = &negotiated.options;
    match code {
        codes::MULTIPROTOCOL => {
            let is = |family: &rcni_bgp_proto::Family| name == format!("multiprotocol {family}");
            negotiated.families.iter().any(is)
        }
        codes::EXTENDED_NEXT_HOP => !options.extended_next_hop.is_empty(),
        codes::ADD_PATH => {
            !(options.add_path.receive.is_empty() && options.add_path.send.is_empty())
        }
        codes::GRACEFUL_RESTART => negotiated.peer_graceful_restart.is_some(),
        codes::LONG_LIVED_GRACEFUL_RESTART => negotiated.peer_long_lived.is_some(),
        codes::ROUTE_REFRESH
        | codes::ENHANCED_ROUTE_REFRESH
        | codes::EXTENDED_MESSAGE
        | codes::FOUR_OCTET_AS
        | codes::ROLE => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcni_bgp_proto::Family;
    use rcni_bgp_proto::validate::{AddPathFamilies, SessionOptions};

    use super::*;

    const V4: Family = Family::IPV4_UNICAST;
    const V6: Family = Family::IPV6_UNICAST;

    /// Both offer IPv4; only we IPv6. Both want to send several paths, so neither does.
    fn session() -> SessionStatus {
        SessionStatus {
            local: "10.0.1.11:43210".parse().unwrap(),
            remote: "10.0.1.1:179".parse().unwrap(),
            peer_bgp_id: [10, 255, 0, 1].into(),
            hold_time_secs: 90,
            keepalive_secs: 30,
            families: vec![V4],
            notes: vec![],
            capabilities_sent: vec![
                Offered::Multiprotocol(V4),
                Offered::Multiprotocol(V6),
                Offered::AddPath(vec![(V4, 2)]),
                Offered::Role(3),
            ],
            capabilities_received: vec![
                Offered::GracefulRestart(GracefulRestartCapability {
                    restart: true,
                    notification: true,
                    time_secs: 120,
                    families: vec![(V4, true)],
                }),
                Offered::Multiprotocol(V4),
                Offered::AddPath(vec![(V4, 2)]),
                Offered::Unknown {
                    code: 131,
                    value: bytes::Bytes::from_static(&[0]),
                },
            ],
            negotiated: Arc::new(Negotiated {
                hold_time_secs: 90,
                families: vec![V4],
                options: SessionOptions {
                    add_path: AddPathFamilies::default(),
                    ..SessionOptions::default()
                },
                peer_graceful_restart: None,
                peer_long_lived: None,
                graceful_notification: false,
                route_refresh: false,
            }),
        }
    }

    #[test]
    fn each_side_is_told_and_what_becomes_of_it() {
        let told = Session::from(&session());
        let rows: Vec<_> = told
            .capabilities
            .iter()
            .map(|row| {
                let (sent, received) = (row.sent.as_deref(), row.received.as_deref());
                (&*row.name, sent, received, row.in_use)
            })
            .collect();
        let graceful =
            "120 s, has just restarted, also over NOTIFICATIONs, ipv4 unicast (state kept)";
        let send = Some("ipv4 unicast send");
        assert_eq!(
            rows,
            [
                ("multiprotocol ipv4 unicast", Some(""), Some(""), true),
                ("multiprotocol ipv6 unicast", Some(""), None, false),
                ("role", Some("customer"), None, false),
                ("graceful-restart", None, Some(graceful), false),
                ("add-path", send, send, false),
                ("code 131", None, Some("1 octets"), false),
            ]
        );
    }
}
