//! The listening sockets of a daemon that runs, as its configuration changes.
//!
//! A socket whose address and port stay is kept, with whoever waits in it: keys and TTLs are set on it as
//! it is. One that is not wanted any more is closed; what it has accepted lives on.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rcni_config::{Cidr, Security, SpeakerConfig};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, info};

use super::Event;
use super::gate::{Entry, Gate};
use super::keys::{self, KeyFor};
use super::listener::{self, ListenError, Sockets};
use super::origin::Origin;
use crate::core::{PeerSettings, Whence};
use crate::tasks;

/// What is listened on, and for whom.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// None: all addresses of both families.
    addresses: BTreeSet<IpAddr>,
    port: u16,
    /// Ranges before what is in them.
    keys: Vec<KeyFor>,
    entries: Vec<Entry>,
}

impl Wanted {
    /// By a configuration, and what it says of peers.
    #[must_use]
    pub fn new(config: &SpeakerConfig, settings: &[PeerSettings]) -> Self {
        let (keys, entries) = of_peers(settings);
        Self {
            addresses: config.bind_addresses.iter().copied().collect(),
            port: config.listen_port,
            keys,
            entries,
        }
    }

    /// The same for others.
    fn with_peers(&self, settings: &[PeerSettings]) -> Self {
        let (keys, entries) = of_peers(settings);
        Self {
            keys,
            entries,
            ..self.clone()
        }
    }

    /// Each address that has a socket.
    fn each(&self) -> BTreeSet<IpAddr> {
        if self.addresses.is_empty() {
            return [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()].into();
        }
        self.addresses.clone()
    }

    fn sockets<'a>(&'a self, gate: &'a Gate) -> Sockets<'a> {
        Sockets {
            addresses: &[],
            port: self.port,
            keys: &self.keys,
            gate,
        }
    }
}

fn of_peers(settings: &[PeerSettings]) -> (Vec<KeyFor>, Vec<Entry>) {
    let placed = settings.iter().filter_map(|peer| match peer.place {
        Whence::From(origin) => Some((peer, origin)),
        Whence::Link(_) => None,
    });
    let entry = |(peer, network): (&PeerSettings, Origin)| Entry {
        network,
        options: peer.options,
    };
    let entries = placed.clone().map(entry).collect();
    let signed = placed.filter(|(peer, _)| peer.security != Security::None);
    // The kernel knows addresses, not links: of two links with one address the last one's key counts.
    let key = |(peer, origin): (&PeerSettings, Origin)| KeyFor {
        name: peer.name.clone(),
        network: origin.network,
        security: peer.security.clone(),
    };
    let mut keys: Vec<KeyFor> = signed.map(key).collect();
    keys.sort_by_key(|key| key.network.prefix_len());
    (keys, entries)
}

struct Listener {
    address: IpAddr,
    socket: Arc<TcpListener>,
    task: JoinHandle<()>,
}

/// See the [module](self).
pub struct Listening {
    is: Wanted,
    listeners: Vec<Listener>,
    gate: Arc<Gate>,
    events: mpsc::Sender<Event>,
}

impl Listening {
    /// Binds them all, and accepts.
    ///
    /// # Errors
    /// See [`listener::bind`].
    pub fn start(wanted: Wanted, events: mpsc::Sender<Event>) -> Result<Self, ListenError> {
        let mut listening = Self {
            gate: Gate::new(&wanted.entries),
            is: wanted,
            listeners: Vec::new(),
            events,
        };
        listener::try_keys(&listening.is.keys)?;
        for address in listening.is.each() {
            listening.open(address)?;
        }
        Ok(listening)
    }

    /// Who may connect.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Those that have sockets; none: all of both families.
    #[must_use]
    pub fn addresses(&self) -> &BTreeSet<IpAddr> {
        &self.is.addresses
    }

    /// Others may connect from now on.
    ///
    /// # Errors
    /// A key that the kernel does not take.
    pub async fn change_peers(&mut self, settings: &[PeerSettings]) -> Result<(), ListenError> {
        self.change(self.is.with_peers(settings)).await
    }

    /// All of it, or nothing: what cannot be had leaves everything as it was.
    ///
    /// # Errors
    /// A port or an address that is not to be had, or a key that the kernel does not take.
    pub async fn change(&mut self, wanted: Wanted) -> Result<(), ListenError> {
        if wanted.keys != self.is.keys {
            listener::try_keys(&wanted.keys)?;
        }
        let before = std::mem::replace(&mut self.is, wanted);
        let done = self.become_wanted(&before).await;
        if done.is_err() {
            let failed = std::mem::replace(&mut self.is, before);
            if let Err(error) = self.become_wanted(&failed).await {
                tracing::error!(%error, "cannot listen as before, either");
            }
        }
        done
    }

    async fn become_wanted(&mut self, before: &Wanted) -> Result<(), ListenError> {
        let each = self.is.each();
        let same_port = self.is.port == before.port;
        let listeners = std::mem::take(&mut self.listeners);
        let stays = |listener: &Listener| same_port && each.contains(&listener.address);
        let (stay, go): (Vec<_>, Vec<_>) = listeners.into_iter().partition(stays);
        self.listeners = stay;
        // First, since a socket for all addresses keeps others off the port.
        for Listener {
            address,
            socket,
            task,
        } in go
        {
            task.abort();
            // Aborted, or it had ended.
            let _ = task.await;
            drop(socket);
            info!(%address, port = before.port, "not listened on any more");
        }
        for listener in &self.listeners {
            Rekeying::new(listener.address, &before.keys, &self.is.keys).set(&listener.socket)?;
        }
        // Not before: who is let in from now on has a key.
        self.gate.replace(&self.is.entries);
        for listener in &self.listeners {
            Rekeying::new(listener.address, &before.keys, &self.is.keys).finish(&listener.socket);
            if let Err(error) = listener::set_ttls(&*listener.socket, listener.address, &self.gate)
            {
                debug!(%error, "cannot change the TTL of a listening socket");
            }
        }
        for address in each {
            if !self
                .listeners
                .iter()
                .any(|listener| listener.address == address)
            {
                self.open(address)?;
                info!(%address, port = self.is.port, "listened on");
            }
        }
        Ok(())
    }

    /// IPv6 only if the kernel has it, unless it is asked for.
    fn open(&mut self, address: IpAddr) -> Result<(), ListenError> {
        let any = self.is.addresses.is_empty() && address.is_ipv6();
        let socket = match listener::bind_one(address, self.is.sockets(&self.gate)) {
            Ok(socket) => Arc::new(socket),
            Err(ListenError::Other { source, .. }) if any && listener::no_ipv6(&source) => {
                info!("this kernel has no IPv6; listening on IPv4 only");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let task = tasks::spawn_accept(socket.clone(), self.gate.clone(), self.events.clone());
        self.listeners.push(Listener {
            address,
            socket,
            task,
        });
        Ok(())
    }
}

/// From the one keys to the others of a family, so that nobody is let in without.
#[derive(Debug, PartialEq, Eq)]
struct Rekeying<'a> {
    /// Go before others come: the kernel takes no two kinds of keys for an address.
    in_the_way: Vec<&'a KeyFor>,
    new: Vec<&'a KeyFor>,
    /// Go when the others are there.
    old: Vec<&'a KeyFor>,
}

impl<'a> Rekeying<'a> {
    fn new(address: IpAddr, before: &'a [KeyFor], after: &'a [KeyFor]) -> Self {
        let of_family = |key: &&KeyFor| key.network.is_ipv4() == address.is_ipv4();
        let same = |key: &KeyFor, others: &[KeyFor]| {
            let is =
                |other: &KeyFor| (other.network, &other.security) == (key.network, &key.security);
            others.iter().any(is)
        };
        let md5 = |key: &KeyFor| matches!(key.security, Security::Md5(_));
        let replacing = after.iter().filter(|key| md5(key));
        let replacing: BTreeSet<Cidr> = replacing.map(|key| key.network).collect();
        // An MD5 key is replaced in one step.
        let replaced = |key: &KeyFor| md5(key) && replacing.contains(&key.network);
        let new = after.iter().filter(of_family);
        let new: Vec<_> = new.filter(|key| !same(key, before)).collect();
        let gone = before.iter().filter(of_family);
        let gone = gone.filter(|key| !same(key, after) && !replaced(key));
        let waits = |key: &&KeyFor| md5(key) && new.iter().all(|new| md5(new));
        let (old, in_the_way) = gone.partition(waits);
        Self {
            in_the_way,
            new,
            old,
        }
    }

    fn set(&self, socket: &TcpListener) -> Result<(), ListenError> {
        remove(socket, &self.in_the_way);
        let set = || {
            let mut new = self.new.iter();
            new.try_for_each(|key| keys::set_all(socket, std::slice::from_ref(*key)))
        };
        match set() {
            // The socket may have no room for both.
            Err(_) if !self.old.is_empty() => {
                remove(socket, &self.old);
                Ok(set()?)
            }
            set => Ok(set?),
        }
    }

    fn finish(&self, socket: &TcpListener) {
        remove(socket, &self.old);
    }
}

fn remove(socket: &TcpListener, keys: &[&KeyFor]) {
    for key in keys {
        if let Err(error) = keys::remove(socket, key.network, &key.security) {
            debug!(%error, network = %key.network, "cannot remove a key");
        }
    }
}

#[cfg(test)]
mod tests;
