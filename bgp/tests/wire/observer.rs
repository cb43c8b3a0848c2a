//! A second peer, told everything: what the daemon passes on is seen here, and only here.

use std::collections::BTreeMap;

use super::bytes::{KEEPALIVE, OPEN, Open, UPDATE, keepalive, update};
use super::decode::{self, Attribute};
use super::session::{Heard, Session};

/// A route as it was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub attributes: Vec<Attribute>,
    /// Of MP_REACH_NLRI; in the attributes for the others.
    pub next_hop: Option<String>,
}

impl Route {
    /// All attributes as they stood on the wire.
    pub fn texts(&self) -> Vec<String> {
        self.attributes.iter().map(Attribute::text).collect()
    }

    /// The value of an attribute.
    pub fn value(&self, code: u8) -> Option<&[u8]> {
        let found = self.attributes.iter().find(|other| other.code == code)?;
        Some(&found.value)
    }
}

/// AS 65009 at 10.99.0.3.
pub struct Observer {
    session: Session,
}

type Table = BTreeMap<String, Route>;

impl Observer {
    pub const ASN: u16 = 65009;

    /// Makes a session of a connection.
    pub fn new(session: Session) -> Self {
        let open = Open {
            id: [10, 99, 0, 3],
            ..Open::new(Self::ASN)
        };
        session.send(&open.bytes());
        session.send(&keepalive());
        session.wait("the observer's session", |heard| {
            heard.iter().find_map(|message| message.body(KEEPALIVE))?;
            heard.iter().find_map(|message| message.body(OPEN))?;
            let ended = |message: &&Heard| message.body(UPDATE).is_some_and(is_end_of_rib);
            (heard.iter().filter(ended).count() == 2).then_some(())
        });
        Self { session }
    }

    /// Announces a prefix, so that the puppet has something to be told.
    pub fn announces(&self, nlri: &str) {
        let attributes = "40010100 400206 0201 0000fdf1 4003040a630003";
        self.session.send(&update("", attributes, nlri));
    }

    /// All events of a prefix in order: told with these attributes, or withdrawn.
    pub fn history(&self, prefix: &str) -> Vec<Option<Route>> {
        history(&self.session.heard(), prefix)
    }

    /// Waits until a route is there and as it should be.
    pub fn sees(&self, prefix: &str, like: impl Fn(&Route) -> bool) -> Route {
        self.session
            .wait(&format!("the observer sees {prefix}"), |heard| {
                let last = history(heard, prefix).pop()??;
                like(&last).then_some(last)
            })
    }

    /// Waits until a route that was there is gone.
    pub fn loses(&self, prefix: &str) {
        self.session
            .wait(&format!("the observer loses {prefix}"), |heard| {
                history(heard, prefix).pop()?.is_none().then_some(())
            });
    }

    /// All routes as they are now.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        for update in updates(&self.session.heard()) {
            for prefix in &update.withdrawn {
                table.remove(prefix);
            }
            let route = route(&update);
            for prefix in &update.announced {
                table.insert(prefix.clone(), route.clone());
            }
        }
        table
    }

    pub fn assert_up(&self) {
        self.session.assert_up("the observer's session");
    }
}

fn is_end_of_rib(body: &[u8]) -> bool {
    decode::update(body).end_of_rib
}

fn updates(heard: &[Heard]) -> impl Iterator<Item = decode::Update> {
    let bodies = heard.iter().filter_map(|message| message.body(UPDATE));
    bodies.map(|body| {
        // It has not offered longer ones (RFC 8654).
        assert!(body.len() + 19 <= 4096, "{} octets", body.len() + 19);
        decode::update(body)
    })
}

fn route(update: &decode::Update) -> Route {
    Route {
        attributes: update.attributes.clone(),
        next_hop: update.next_hop.clone(),
    }
}

fn history(heard: &[Heard], prefix: &str) -> Vec<Option<Route>> {
    let mut out = Vec::new();
    for update in updates(heard) {
        let there = |list: &[String]| list.iter().any(|other| other == prefix);
        // In this order: a prefix in both is announced (RFC 4271 4.3).
        if there(&update.withdrawn) {
            out.push(None);
        }
        if there(&update.announced) {
            out.push(Some(route(&update)));
        }
    }
    out
}
