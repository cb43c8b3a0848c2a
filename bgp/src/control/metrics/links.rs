//! Neighbours that are found on links.

use super::{Exposition, Kind};
use crate::discovery::{Links, State};

const STATES: [State; 8] = [
    State::NoInterface,
    State::Down,
    State::NoCarrier,
    State::NoAddress,
    State::NoSocket,
    State::Waiting,
    State::Found,
    State::Several,
];

/// Links that are configured are few, and so are their names.
pub fn links(out: &mut Exposition, links: &Links) {
    let help = "Links on which a neighbour is looked for, by what is known of it.";
    let mut family = out.family("rcni_bgp_links", Kind::Gauge, help);
    for state in STATES {
        let count = links.reports.iter().filter(|it| it.state == state).count();
        let word = state.as_str().replace('-', "_");
        family.sample(&[("state", &word)], count as u64);
    }
    if links
        .reports
        .iter()
        .all(|report| report.interface.is_none())
    {
        return;
    }
    let help = "The neighbour of a link: 1 with its address, or with none.";
    let mut family = out.family("rcni_bgp_link_neighbor", Kind::Gauge, help);
    let named = links.reports.iter().filter_map(|report| {
        let interface = report.interface.as_ref()?;
        Some((report, interface.name.as_str()))
    });
    for (report, interface) in named.clone() {
        let address = report.neighbor.map(|address| address.to_string());
        let labels = [
            ("peer", report.peer.as_str()),
            ("interface", interface),
            ("address", address.as_deref().unwrap_or_default()),
        ];
        family.sample(&labels, 1);
    }
    let help = "Router advertisements and solicitations that were forged or malformed.";
    let name = "rcni_bgp_link_messages_dropped_total";
    let mut family = out.family(name, Kind::Counter, help);
    for (report, interface) in named {
        let labels = [("peer", report.peer.as_str()), ("interface", interface)];
        family.sample(&labels, report.dropped);
    }
}

#[cfg(test)]
mod tests {
    use rcni_bgp_proto::speaker::Interface;

    use super::*;
    use crate::discovery::Report;

    #[test]
    fn a_link_is_there_with_its_neighbour() {
        let report = Report {
            peer: "tor".to_owned(),
            links: "eth*".to_owned(),
            interface: Some(Interface {
                index: 7,
                name: "eth1".to_owned(),
            }),
            state: State::Found,
            text: String::new(),
            neighbor: Some("fe80::1".parse().unwrap()),
            others: vec![],
            notes: vec![],
            dropped: 3,
        };
        let found = Links {
            generation: 0,
            reports: vec![report],
        };
        let mut out = Exposition::default();
        links(&mut out, &found);
        let text = out.into_text();
        for line in [
            "rcni_bgp_links{state=\"found\"} 1",
            "rcni_bgp_links{state=\"no_link_local\"} 0",
            "rcni_bgp_link_neighbor{peer=\"tor\",interface=\"eth1\",address=\"fe80::1\"} 1",
            "rcni_bgp_link_messages_dropped_total{peer=\"tor\",interface=\"eth1\"} 3",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}: {text}");
        }
    }
}
