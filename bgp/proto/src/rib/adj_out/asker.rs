//! Asks whether the peer may be told, and as what.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::attr::PathAttributes;
use crate::policy::{Changes, Memo, Verdict};
use crate::rib::export::{Target, Withheld, permit};
use crate::rib::{LocRoute, Rib, Source};
use crate::speaker::PeerId;
use crate::wire::Prefix;

/// What the rules found out about each path, for as long as the RIB stays as it is.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    rib: &'a Rib,
    to: &'a Target,
    memos: RefCell<HashMap<Path, Memo>>,
}

/// Equal paths are stored once; who told it matters, too.
type Path = (*const PathAttributes, Option<PeerId>);

impl<'a> Asker<'a> {
    pub(crate) fn new(rib: &'a Rib, to: &'a Target) -> Self {
        Self {
            rib,
            to,
            memos: RefCell::default(),
        }
    }

    /// Does a rule ask who told a route?
    pub(super) fn cares_who(&self) -> bool {
        self.to.policy.asks_who()
    }

    /// What the export rules change in it, if the peer may be told.
    pub(super) fn permit(
        &self,
        prefix: &Prefix,
        route: &LocRoute,
    ) -> Result<Option<&'a Arc<Changes>>, Withheld> {
        self.ask(prefix, route).map(|verdict| verdict.set)
    }

    /// The same, with what decided.
    pub(crate) fn ask(&self, prefix: &Prefix, route: &LocRoute) -> Result<Verdict<'a>, Withheld> {
        let peer = match route.source {
            Source::Own => None,
            Source::Peer { id, .. } => Some(id),
        };
        let from = peer.and_then(|peer| self.rib.informant(peer));
        if !self.to.policy.is_about_paths() {
            return permit(prefix, route, self.to, from, &mut Memo::default());
        }
        let mut memos = self.memos.borrow_mut();
        let memo = memos.entry((Arc::as_ptr(&route.attributes), peer));
        permit(prefix, route, self.to, from, memo.or_default())
    }
}

/// What there is to tell of prefixes that are looked at.
#[derive(Debug)]
pub(super) enum Telling<'a> {
    /// What the peer does not have.
    News,
    /// All of it.
    Again,
    /// What was told otherwise by these rules.
    Anew(Asker<'a>),
}

impl Telling<'_> {
    /// Also what the peer has, if it may have it?
    pub(super) fn repeats(&self) -> bool {
        !matches!(self, Self::News)
    }

    /// Must a route be told that the peer has? `set`: as what it would be told.
    pub(super) fn must(
        &self,
        prefix: &Prefix,
        route: &LocRoute,
        set: Option<&Arc<Changes>>,
    ) -> bool {
        match self {
            Self::News => false,
            Self::Again => true,
            Self::Anew(before) => before.permit(prefix, route).ok() != Some(set),
        }
    }
}
