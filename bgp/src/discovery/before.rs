//! What `accept_ra` of links was before it was set to 0: in a file beside the control socket, so that it is
//! put back when no peer means the link any more, whichever run has set it.
//!
//! ```text
//!  before it is set                         written down
//!  a stop, a crash, an upgrade              nothing: BGP's routes live on, and so does the reason for 0
//!  no peer means the link any more          put back (by a reload, or when the next run starts)
//!  somebody else has set it meanwhile       left as it is
//!  the link is gone                         forgotten
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::kernel::KernelLinks;
use super::router::{self, Restored};
use crate::{drained, marker};

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Before {
    /// Without one it is known to this run only.
    file: Option<File>,
    /// By the links' indexes, which no two links have in one boot.
    values: BTreeMap<u32, String>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// First line: other boots and namespaces have other links.
    place: String,
}

impl Before {
    /// What runs of the daemon with this control socket have found.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn beside(socket: &Path) -> io::Result<Self> {
        let (path, place) = (Self::path_beside(socket), marker::place()?);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut lines = text.lines();
        let values = match lines.next() {
            Some(head) if head == place => lines.filter_map(parse).collect(),
            _ => BTreeMap::new(),
        };
        let file = Some(File { path, place });
        Ok(Self { file, values })
    }

    /// Where that is written.
    #[must_use]
    pub fn path_beside(socket: &Path) -> PathBuf {
        let mut path = socket.as_os_str().to_owned();
        path.push(".accept_ra");
        path.into()
    }

    /// Of this link.
    #[must_use]
    pub fn of(&self, index: u32) -> Option<&str> {
        self.values.get(&index).map(String::as_str)
    }

    /// Whether nothing is to be put back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// It is about to be set to 0.
    pub fn note(&mut self, index: u32, was: &str) {
        if self.of(index) != Some(was) {
            self.values.insert(index, was.to_owned());
            self.write();
        }
    }

    /// Puts back what links have that nobody means. Returns their names with what was done.
    pub fn put_back(
        &mut self,
        links: &KernelLinks,
        is_meant: impl Fn(&str) -> bool,
    ) -> Vec<(String, Restored)> {
        let before = self.values.len();
        let mut done = Vec::new();
        self.values.retain(|index, was| match links.get(index) {
            Some(link) if is_meant(&link.name) => true,
            Some(link) => {
                done.push((link.name.clone(), router::put_back(&link.name, was)));
                false
            }
            None => false,
        });
        if self.values.len() != before {
            self.write();
        }
        done
    }

    fn write(&self) {
        let Some(File { path, place }) = &self.file else {
            return;
        };
        let mut text = format!("{place}\n");
        for (index, was) in &self.values {
            text.push_str(&format!("{index} {was}\n"));
        }
        let written = match self.values.is_empty() {
            false => drained::replace(path, &text),
            true => match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        };
        if let Err(error) = written {
            let path = path.display();
            warn!(%path, %error, "the next start will not know what accept_ra of links was");
        }
    }
}

/// A link's index and what it had, as the kernel says it.
fn parse(line: &str) -> Option<(u32, String)> {
    let (index, was) = line.split_once(' ')?;
    was.parse::<i32>().ok()?;
    Some((index.parse().ok()?, was.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_knows_what_was_found_and_no_other_place_does() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bgp.sock");
        let path = Before::path_beside(&socket);
        let mut before = Before::beside(&socket).unwrap();
        assert!(before.is_empty());
        before.note(7, "1");
        before.note(9, "2");
        before.note(9, "1");
        let again = Before::beside(&socket).unwrap();
        assert_eq!((again.of(7), again.of(9)), (Some("1"), Some("1")));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}10 rm -rf\nwhat\n")).unwrap();
        assert_eq!(Before::beside(&socket).unwrap().values.len(), 2);
        std::fs::write(&path, format!("elsewhere {text}")).unwrap();
        assert!(Before::beside(&socket).unwrap().is_empty());
        // The links are gone.
        assert_eq!(before.put_back(&KernelLinks::new(), |_| true), []);
        assert!(!path.exists());
    }
}
