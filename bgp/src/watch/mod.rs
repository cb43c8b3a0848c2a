//! `rcni-bgp watch`: sessions, rates and events as they are now, on a terminal.
//!
//! ```text
//!  asker (a thread): status and events, again and again --> view (what changed, how fast) --> draw
//!                                                            ^
//!                                            keys -----------+
//! ```
//!
//! Nothing is asked of the daemon but what `status` and `events` ask.

pub mod asker;
pub mod draw;
pub mod view;

use std::io;
use std::path::Path;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use asker::Asker;
use view::View;

/// So soon a key or an answer shows.
const TURN: Duration = Duration::from_millis(50);

/// Until `q`. The terminal is as before then.
///
/// # Errors
/// The terminal's.
pub fn run(socket: &Path, interval: Duration) -> io::Result<()> {
    let asker = Asker::start(socket, interval)?;
    let mut terminal = ratatui::try_init()?;
    let ended = watch(&mut terminal, &asker);
    ratatui::try_restore()?;
    ended
}

fn watch(terminal: &mut DefaultTerminal, asker: &Asker) -> io::Result<()> {
    let mut view = View::default();
    let mut changed = true;
    loop {
        for told in asker.told() {
            view.hear(told);
            changed = true;
        }
        if changed {
            terminal.draw(|frame| draw::all(frame, &mut view))?;
        }
        changed = false;
        if !event::poll(TURN)? {
            continue;
        }
        changed = true;
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && !pressed(key, &mut view)
        {
            return Ok(());
        }
    }
}

/// False: it is enough.
fn pressed(key: KeyEvent, view: &mut View) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Up | KeyCode::Char('k') => view.scroll(-1),
        KeyCode::Down | KeyCode::Char('j') => view.scroll(1),
        KeyCode::PageUp => view.scroll(-10),
        KeyCode::PageDown => view.scroll(10),
        KeyCode::Home => view.scroll(isize::MIN),
        KeyCode::End => view.scroll(isize::MAX),
        _ => {}
    }
    true
}
