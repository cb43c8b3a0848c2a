//! A view on a screen of 80 columns and 24 lines, or more.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use rcni_control::events::Severity;
use rcni_control::text::escape;

use super::view::{Rates, View};
use crate::control::model::{Peer, Status};
use crate::control::render::duration;

const HEAD: [&str; 8] = [
    "PEER", "STATE", "SINCE", "RECV", "INST", "ADV", "IN/S", "OUT/S",
];
/// Columns of each but the first.
const WIDTHS: [u16; 7] = [11, 7, 8, 8, 8, 7, 7];
/// Lines above the peers, and of the last line.
const TOP: u16 = 3;
/// Part of what is left that the peers may have, in percent.
const PEERS: u16 = 60;

/// The whole screen.
pub fn all(frame: &mut Frame<'_>, view: &mut View) {
    let peers = view.status.as_ref().map_or(0, |status| status.peers.len());
    let free = frame.area().height.saturating_sub(TOP + 2);
    let wanted = u16::try_from(peers).unwrap_or(u16::MAX).saturating_add(1);
    let most = (u32::from(free) * u32::from(PEERS) / 100).max(2);
    let peers = wanted.min(u16::try_from(most).unwrap_or(u16::MAX));
    let [top, sessions, _, events, foot] = Layout::vertical([
        Constraint::Length(TOP),
        Constraint::Length(peers),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header(view)), top);
    table(frame, view, sessions);
    frame.render_widget(Paragraph::new(newest(view, events)), events);
    let keys = "q ends, up and down scroll";
    frame.render_widget(
        Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)),
        foot,
    );
}

fn header(view: &View) -> Vec<Line<'static>> {
    let bad = Style::new().fg(Color::Red);
    let mut lines = match &view.status {
        None => vec![Line::from("asking rcni-bgp"), Line::default()],
        Some(status) => vec![Line::from(first(status)), Line::from(second(status))],
    };
    lines.push(
        match (
            &view.trouble,
            view.status.as_ref().and_then(|status| attention(status)),
        ) {
            (Some(trouble), _) => Line::styled(escape(trouble), bad),
            (None, Some(attention)) => Line::styled(escape(&attention), bad),
            (None, None) => Line::default(),
        },
    );
    lines
}

fn first(status: &Status) -> String {
    let up = status.peers.iter().filter(|peer| peer.is_up()).count();
    format!(
        "router id {}, AS {}, up {}, {up} of {} peers established",
        status.router_id,
        status.asn,
        duration(status.uptime_seconds),
        status.peers.len()
    )
}

fn second(status: &Status) -> String {
    let kernel = &status.kernel;
    format!(
        "kernel: {} installed, {} pending, {} failed, {} put back",
        kernel.installed, kernel.pending, kernel.failed_count, kernel.others.repaired
    )
}

/// What comes before everything else.
fn attention(status: &Status) -> Option<String> {
    let drain = &status.operation.drain;
    if drain.state != "off" && !drain.state.is_empty() {
        return Some(format!("the node is {}", drain.state));
    }
    if let Some(conflict) = status.conflicts.first() {
        return Some(format!(
            "CONFLICT: {} announces {}",
            conflict.peer, conflict.prefix
        ));
    }
    if status.configuration.refused.is_some() {
        return Some("the configuration file is refused, the one before it in use".to_owned());
    }
    status.kernel.trouble.clone()
}

fn table(frame: &mut Frame<'_>, view: &mut View, area: Rect) {
    let Some(status) = &view.status else { return };
    let shown = usize::from(area.height.saturating_sub(1));
    view.top = view.top.min(status.peers.len().saturating_sub(shown));
    let rows = status.peers.iter().skip(view.top).take(shown);
    let rows = rows.map(|peer| {
        row(
            peer,
            view.rates.get(&peer.name).copied().unwrap_or_default(),
        )
    });
    let widths = WIDTHS.map(Constraint::Length);
    let widths = std::iter::once(Constraint::Fill(1)).chain(widths);
    let head = HEAD.iter().enumerate().map(|(index, word)| match index {
        0 | 1 => Cell::from(*word),
        _ => right(word),
    });
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::BOLD));
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

fn row(peer: &Peer, rates: Rates) -> Row<'static> {
    let colour = if peer.is_up() {
        Color::Green
    } else {
        Color::Red
    };
    let state = match peer.details.shut_down {
        true => "ShutDown".to_owned(),
        false => peer.state.clone(),
    };
    let counts = peer.prefixes;
    Row::new([
        Cell::from(escape(&peer.name)),
        Cell::from(Span::styled(state, Style::new().fg(colour))),
        right(&duration(peer.since_seconds)),
        right(&counts.received.to_string()),
        right(&counts.installed.to_string()),
        right(&counts.advertised.to_string()),
        right(&format!("{:.0}", rates.received)),
        right(&format!("{:.0}", rates.sent)),
    ])
}

fn right(text: &str) -> Cell<'static> {
    Cell::from(Line::from(text.to_owned()).right_aligned())
}

/// As many as there is room for, the newest last.
fn newest(view: &View, area: Rect) -> Vec<Line<'static>> {
    let room = usize::from(area.height);
    let skipped = view.events.len().saturating_sub(room);
    let line = |event: &rcni_control::events::Event| {
        let style = match event.severity {
            Severity::Info => Style::new(),
            Severity::Warning => Style::new().fg(Color::Yellow),
            Severity::Error => Style::new().fg(Color::Red),
        };
        // Hours, minutes and seconds of RFC 3339.
        let time: String = event.time.chars().skip(11).take(8).collect();
        let of = event.peer.as_deref().or(event.prefix.as_deref());
        let of = of.map(|of| format!("{}: ", escape(of))).unwrap_or_default();
        Line::styled(format!("{time} {of}{}", escape(&event.text)), style)
    };
    view.events.iter().skip(skipped).map(line).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use rcni_control::events::Event;

    use super::*;
    use crate::control::render::tests::{down, peer, status};

    fn screen(view: &mut View) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| all(frame, view)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content().chunks(80);
        let text = |cells: &[ratatui::buffer::Cell]| -> String {
            cells.iter().map(ratatui::buffer::Cell::symbol).collect()
        };
        lines
            .map(|cells| text(cells).trim_end().to_owned())
            .collect()
    }

    fn event(number: u64) -> Event {
        Event {
            number,
            time: format!("2026-01-31T12:00:{number:02}.000Z"),
            severity: Severity::Warning,
            kind: "session".to_owned(),
            peer: Some("tor-b".to_owned()),
            prefix: None,
            text: "Established -> Idle: hold timer expired".to_owned(),
        }
    }

    #[test]
    fn two_peers_on_80_by_24() {
        let mut view = View {
            status: Some(Box::new(status(vec![
                peer("tor-a", "10.0.1.1"),
                down("tor-b", "10.0.2.1"),
            ]))),
            events: (1..=30).map(event).collect(),
            ..View::default()
        };
        view.rates.insert(
            "tor-a".to_owned(),
            Rates {
                received: 1234.4,
                sent: 0.0,
            },
        );
        let lines = screen(&mut view);
        assert_eq!(
            lines[0],
            "router id 10.0.1.11, AS 65001, up 1h06m, 1 of 2 peers established"
        );
        assert_eq!(
            lines[1],
            "kernel: 2 installed, 0 pending, 0 failed, 0 put back"
        );
        assert!(
            lines[3].starts_with("PEER") && lines[3].ends_with("OUT/S"),
            "{}",
            lines[3]
        );
        assert!(
            lines[4].starts_with("tor-a") && lines[4].contains("1234"),
            "{}",
            lines[4]
        );
        assert!(lines[5].contains("Active"), "{}", lines[5]);
        assert_eq!(
            lines[22],
            "12:00:30 tor-b: Established -> Idle: hold timer expired"
        );
        assert_eq!(lines[23], "q ends, up and down scroll");
    }

    #[test]
    fn many_peers_scroll_and_trouble_is_told() {
        let peers = (0..40).map(|number| peer(&format!("tor-{number:02}"), "10.0.1.1"));
        let mut view = View {
            status: Some(Box::new(status(peers.collect()))),
            trouble: Some("the daemon is not running".to_owned()),
            ..View::default()
        };
        let lines = screen(&mut view);
        assert_eq!(lines[2], "the daemon is not running");
        assert!(lines[4].starts_with("tor-00"), "{}", lines[4]);
        view.scroll(5);
        assert!(screen(&mut view)[4].starts_with("tor-05"));
        // Not beyond the last.
        view.scroll(isize::MAX);
        let lines = screen(&mut view);
        assert!(
            lines.iter().any(|line| line.starts_with("tor-39")),
            "{lines:#?}"
        );
        view.scroll(isize::MIN);
        assert!(screen(&mut view)[4].starts_with("tor-00"));
        // Before the first answer, and on a terminal that is far too small.
        assert_eq!(screen(&mut View::default())[0], "asking rcni-bgp");
        let mut terminal = Terminal::new(TestBackend::new(10, 3)).unwrap();
        terminal.draw(|frame| all(frame, &mut view)).unwrap();
    }
}
