//! What others did, as notifications tell.

use std::io;

use tracing::{info, warn};

use super::super::Prefix;
use super::super::drift::{Cause, Doer};
use super::super::monitor::Observed;
use super::super::resolve::Link;
use super::super::rivals::News;
use super::Fib;

/// Notifications that are heard before a batch at most.
const HEARD: usize = 4096;

impl Fib {
    /// What others did until now: the kernel lets us replace a route whosever it is, so one that has
    /// come into the place of ours must be known before. False: there is more.
    pub(super) async fn hear(&mut self) -> io::Result<bool> {
        for _ in 0..HEARD {
            match self.monitor.now().await {
                Some(Ok(observed)) => self.observe(observed),
                Some(Err(error)) => {
                    self.deaf(error).await?;
                    return Ok(false);
                }
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    pub(super) fn observe(&mut self, observed: Observed) {
        match observed {
            Observed::OwnGone(prefix, gone, doer) => {
                if self.table.vanished(prefix, &gone) {
                    self.lost(prefix, doer);
                }
            }
            Observed::OwnSeen(prefix, target, doer) => {
                if self.table.appeared(prefix, &target) {
                    let what = "another program wrote a route with our marks; putting it right";
                    self.note(Cause::Changed, prefix, doer, what);
                }
            }
            Observed::ForeignSeen {
                prefix,
                replaced,
                doer,
            } => {
                if self.table.foreign_appeared(prefix, replaced) {
                    let what = "another program put a route of its own in the place of this one; \
                                that is left alone, ours waits";
                    self.note(Cause::Changed, prefix, doer, what);
                }
            }
            Observed::Rival(news) => self.rival(news),
            Observed::ForeignGone(prefix) => self.table.foreign_vanished(prefix),
            Observed::Link { index, now } => {
                self.table.link(index, now);
                self.look_at_objects_now();
                if now == Link::Up {
                    self.table.retry_all();
                }
                // A link that went down and up between two reads took its routes with it.
                self.moved();
            }
            Observed::Reachable => {
                self.table.retry_all();
                self.moved();
            }
            Observed::Connected(network) => self.table.retry_within(&network),
            Observed::Object { own_gone } => {
                // Others' routes lead elsewhere with it; without compatibility mode they are not told.
                self.table.suspect_recursive();
                self.look_at_objects_now();
                if own_gone {
                    self.resync_soon();
                }
            }
            Observed::Flushed => self.moved(),
            Observed::Lost => {
                if self.may_log() {
                    info!("notifications were lost; asking the kernel for all own routes");
                }
                // One of them may have been about what is missing.
                self.table.miss();
                self.table.retry_all();
                self.table.forget_links();
                if let Err(error) = self.monitor.ask_for_links() {
                    warn!(%error, "cannot ask the kernel for its links");
                }
                self.look_at_objects_now();
                self.resync_soon();
            }
        }
    }

    /// Something happened to a link or an address.
    fn moved(&mut self) {
        self.next_hops.ask_about_sources();
        self.table.suspect_all();
        self.told.moved = true;
        // The kernel may still be about it when the first look is taken.
        self.look_again = true;
        self.resync_soon();
    }

    fn lost(&mut self, prefix: Prefix, doer: Doer) {
        let (cause, what) = if doer.is_kernel() {
            let what = "this route went with a link, an address or a lifetime; putting it back";
            (Cause::Link, what)
        } else {
            let what = "another program deleted this route; putting it back";
            (Cause::Deleted, what)
        };
        self.note(cause, prefix, doer, what);
    }

    fn note(&mut self, cause: Cause, prefix: Prefix, doer: Doer, what: &str) {
        self.told.repairs.add(cause, 1);
        if self.may_log() {
            warn!(%prefix, by = %doer, "{what}");
        }
    }

    fn rival(&mut self, news: News) {
        let prefix = news.prefix();
        let ours = self.table.knows(prefix);
        self.table.suspect_within(&prefix);
        self.told.rivals.heard(news, ours);
        self.told.keep_out(&self.owner, [prefix], &mut self.table);
        // Of several with the same marks (IPv6 routers that announce themselves) others may be left.
        if ours && prefix.prefix() == 0 && matches!(news, News::Gone(_)) {
            self.resync_soon();
        }
    }
}
