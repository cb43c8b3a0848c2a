//! Tables that exist only because our rules needed them.
//!
//! `iptables-nft` creates a table and its built-in chain with the first rule and has no command to
//! remove a table. `felix-lite clean` removes one that it created, if the kernel agrees that
//! nothing is in it (`NLM_F_NONREC`: the request is refused while anything uses the table).

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::model::Family;
use crate::nfnetlink::{self, attribute, kind};

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const NONREC: u16 = 0x100;
const DUMP: u16 = 0x300;
/// `NF_ACCEPT`.
const ACCEPT: u32 = 1;

/// What became of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is removed.
    Removed,
    /// Somebody else removed it before.
    Gone,
    /// Something is in it: it stays.
    Used,
}

/// Removes the table if all that it has are empty built-in chains that accept.
///
/// # Errors
/// The kernel does not answer.
pub fn remove_if_empty(family: Family, table: &str) -> io::Result<Outcome> {
    let family = nfnetlink::number_of(family);
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    let Some(chains) = empty_chains(&socket, family, table)? else {
        return Ok(Outcome::Used);
    };
    let mut batch = Vec::new();
    nfnetlink::push(&mut batch, kind::BATCH_BEGIN, REQUEST, 0, &[]);
    let flags = REQUEST | ACK | NONREC;
    for chain in &chains {
        let names = [
            (attribute::TABLE, table),
            (attribute::CHAIN_NAME, chain.as_str()),
        ];
        nfnetlink::push(&mut batch, kind::DEL_CHAIN, flags, family, &names);
    }
    let name = [(attribute::TABLE, table)];
    nfnetlink::push(&mut batch, kind::DEL_TABLE, flags, family, &name);
    nfnetlink::push(&mut batch, kind::BATCH_END, REQUEST, 0, &[]);
    socket.send_to(&batch, &SocketAddr::new(0, 0), 0)?;
    // One answer for each; a single refusal has undone all.
    let mut answers = 0;
    while answers <= chains.len() {
        let datagram = socket.recv_from_full()?.0;
        for answer in nfnetlink::messages(&datagram) {
            if answer.kind == kind::ERROR && answer.error() != Some(0) {
                let gone = chains.is_empty() && answer.error() == Some(-libc::ENOENT);
                return Ok(if gone { Outcome::Gone } else { Outcome::Used });
            }
            answers += 1;
        }
    }
    Ok(Outcome::Removed)
}

/// The table's chains, if all are built-in, empty and accept. The answers to a request are there as
/// soon as it was sent, so that nothing is waited for.
fn empty_chains(socket: &Socket, family: u8, table: &str) -> io::Result<Option<Vec<String>>> {
    let mut request = Vec::new();
    let flags = REQUEST | DUMP;
    nfnetlink::push(&mut request, kind::GET_CHAIN, flags, family, &[]);
    socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
    let mut chains = Vec::new();
    let mut all_empty = true;
    loop {
        let datagram = socket.recv_from_full()?.0;
        for chain in nfnetlink::messages(&datagram) {
            match chain.kind {
                kind::DONE => return Ok(all_empty.then_some(chains)),
                kind::ERROR => return Err(io::Error::other("the kernel lists no chains")),
                _ if chain.text(attribute::TABLE) != Some(table) => continue,
                _ => {}
            }
            all_empty &= chain.attribute(attribute::CHAIN_HOOK).is_some()
                && chain.number(attribute::CHAIN_POLICY) == Some(ACCEPT)
                && chain.number(attribute::CHAIN_USE) == Some(0);
            chains.extend(chain.text(attribute::CHAIN_NAME).map(str::to_owned));
        }
    }
}
