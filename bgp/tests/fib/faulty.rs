//! A way to the real kernel on which things go wrong as a test says.
//!
//! ```text
//!  Netlink, Monitor --requests--> [ Refuse, Lie, Swallow | NotSent, Stall ] ---> kernel
//!                   <--datagrams- [ Lost, Broken, Drop, Cut, Late, Twice ] <----
//! ```
//!
//! What is refused does not reach the kernel, and is answered here; all else is the kernel's own.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rcni_bgp::fib::message::{self, HEADER_LEN, flag, kind, u16_at, u32_at};
use rcni_bgp::fib::wire::{Opener, Wire};

use super::Prefix;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A request is answered with this errno and not obeyed; of a filter: there is none.
    Refuse(i32),
    /// It is obeyed, and answered with this errno all the same.
    Lie(i32),
    /// It is neither obeyed nor answered.
    Swallow,
    /// The send with it fails with this errno.
    NotSent(i32),
    /// The send with it takes so long.
    Stall(Duration),
    /// Instead of a datagram the kernel says that it lost some (`ENOBUFS`).
    Lost,
    /// Instead of a datagram there is this errno.
    Broken(i32),
    /// A datagram vanishes.
    Drop,
    /// A datagram has lost so many bytes at its end.
    Cut(usize),
    /// A datagram, and all after it, come so much later.
    Late(Duration),
    /// A datagram comes once more, before the next one that is not an answer to the same batch.
    Twice,
}

/// A request on its way to the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub kind: u16,
    pub prefix: Option<Prefix>,
    /// Its place in the send, and how many there are.
    pub index: usize,
    pub count: usize,
}

type OnRequest = Box<dyn FnMut(&Request) -> bool + Send>;
type OnDatagram = Box<dyn FnMut(&[u8]) -> bool + Send>;

#[derive(Default)]
struct Plan {
    requests: Vec<(OnRequest, Fault, usize)>,
    datagrams: Vec<(OnDatagram, Fault, usize)>,
    filters: Vec<((), Fault, usize)>,
    struck: Vec<Fault>,
}

/// What shall go wrong, shared by all sockets of an [`opener`](Faults::opener).
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

impl Faults {
    /// The next `times` requests for which `which` holds.
    pub fn on_request(
        &self,
        times: usize,
        fault: Fault,
        which: impl FnMut(&Request) -> bool + Send + 'static,
    ) {
        self.plan().requests.push((Box::new(which), fault, times));
    }

    /// The next `times` datagrams for which `which` holds.
    pub fn on_datagram(
        &self,
        times: usize,
        fault: Fault,
        which: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) {
        self.plan().datagrams.push((Box::new(which), fault, times));
    }

    /// The next `times` that notifications of a port are to be left out.
    pub fn on_filter(&self, times: usize, fault: Fault) {
        self.plan().filters.push(((), fault, times));
    }

    /// Nothing goes wrong any more. Returns what did.
    pub fn calm(&self) -> Vec<Fault> {
        std::mem::take(&mut *self.plan()).struck
    }

    /// How often something went wrong.
    pub fn struck(&self) -> usize {
        self.plan().struck.len()
    }

    /// Over `real` sockets.
    pub fn opener(
        &self,
        real: impl Fn() -> io::Result<Arc<dyn Wire>> + Send + Sync + 'static,
    ) -> Opener {
        let faults = self.clone();
        Box::new(move || {
            Ok(Arc::new(Faulty {
                wire: real()?,
                faults: faults.clone(),
                held: Mutex::default(),
            }))
        })
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap()
    }

    fn of_request(&self, request: &Request) -> Option<Fault> {
        let mut plan = self.plan();
        let Plan {
            requests, struck, ..
        } = &mut *plan;
        strike(requests, struck, |which| which(request))
    }

    fn of_datagram(&self, datagram: &[u8]) -> Option<Fault> {
        let mut plan = self.plan();
        let Plan {
            datagrams, struck, ..
        } = &mut *plan;
        strike(datagrams, struck, |which| which(datagram))
    }

    fn of_filter(&self) -> Option<Fault> {
        let mut plan = self.plan();
        let Plan {
            filters, struck, ..
        } = &mut *plan;
        strike(filters, struck, |()| true)
    }
}

fn strike<T>(
    rules: &mut Vec<(T, Fault, usize)>,
    struck: &mut Vec<Fault>,
    mut holds: impl FnMut(&mut T) -> bool,
) -> Option<Fault> {
    let index = rules.iter_mut().position(|(which, ..)| holds(which))?;
    let (_, fault, left) = &mut rules[index];
    let fault = *fault;
    struck.push(fault);
    *left -= 1;
    if *left == 0 {
        rules.remove(index);
    }
    Some(fault)
}

struct Faulty {
    wire: Arc<dyn Wire>,
    faults: Faults,
    held: Mutex<Held>,
}

/// Datagrams that are not with their reader yet.
#[derive(Default)]
struct Held {
    /// Before all that the kernel says.
    first: VecDeque<Vec<u8>>,
    /// When it says nothing more.
    last: VecDeque<Vec<u8>>,
    /// Together with the next answers.
    again: Vec<Vec<u8>>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Wire for Faulty {
    fn port(&self) -> u32 {
        self.wire.port()
    }

    fn send(&self, requests: &[u8]) -> io::Result<()> {
        let all = messages(requests);
        let count = all.len();
        let (mut passed, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
        let mut pause = Duration::ZERO;
        for (index, bytes) in all.into_iter().enumerate() {
            let request = request(bytes, index, count);
            let fault = self.faults.of_request(&request);
            let mut place = if index + 1 == count {
                &mut last
            } else {
                &mut first
            };
            match fault {
                Some(Fault::NotSent(errno)) => return Err(io::Error::from_raw_os_error(errno)),
                Some(Fault::Refuse(errno)) => place.push(answer(bytes, errno)),
                Some(Fault::Lie(errno)) => {
                    // Its own answer falls out by its number.
                    let mut obeyed = bytes.to_vec();
                    obeyed[8..12].fill(0);
                    passed.extend(obeyed);
                    place = if index + 1 == count { &mut last } else { place };
                    place.push(answer(bytes, errno));
                }
                Some(Fault::Swallow) => {}
                Some(Fault::Stall(time)) => {
                    pause += time;
                    passed.extend_from_slice(bytes);
                }
                _ => passed.extend_from_slice(bytes),
            }
        }
        std::thread::sleep(pause);
        if !passed.is_empty() {
            self.wire.send(&passed)?;
        }
        let mut held = self.held.lock().unwrap();
        let again = std::mem::take(&mut held.again);
        held.first.extend(again);
        held.first.extend(first);
        held.last.extend(last);
        Ok(())
    }

    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        let mut held = self.held.lock().unwrap();
        loop {
            if let Some(pause) = &mut held.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                held.pause = None;
            }
            if let Some(datagram) = held.first.pop_front() {
                buffer.extend_from_slice(&datagram);
                return Poll::Ready(Ok(()));
            }
            let start = buffer.len();
            match self.wire.poll_receive(context, buffer) {
                Poll::Ready(Ok(())) => {}
                Poll::Pending => {
                    let Some(datagram) = held.last.pop_front() else {
                        return Poll::Pending;
                    };
                    buffer.extend_from_slice(&datagram);
                    return Poll::Ready(Ok(()));
                }
                error => return error,
            }
            let failed = |errno| Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
            match self.faults.of_datagram(&buffer[start..]) {
                Some(Fault::Lost) => {
                    buffer.truncate(start);
                    return failed(libc::ENOBUFS);
                }
                Some(Fault::Broken(errno)) => {
                    buffer.truncate(start);
                    return failed(errno);
                }
                Some(Fault::Drop) => buffer.truncate(start),
                Some(Fault::Cut(bytes)) => {
                    buffer.truncate(buffer.len().saturating_sub(bytes).max(start + 1));
                    return Poll::Ready(Ok(()));
                }
                Some(Fault::Late(time)) => {
                    held.first.push_back(buffer.split_off(start).to_vec());
                    held.pause = Some(Box::pin(tokio::time::sleep(time)));
                }
                Some(Fault::Twice) => {
                    held.again.push(buffer[start..].to_vec());
                    return Poll::Ready(Ok(()));
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn ignore(&self, port: u32) -> io::Result<()> {
        match self.faults.of_filter() {
            Some(Fault::Refuse(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => self.wire.ignore(port),
        }
    }
}

fn messages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some(length) = u32_at(bytes, 0) {
        let (message, rest) = bytes.split_at((length as usize).next_multiple_of(4));
        all.push(message);
        bytes = rest;
    }
    all
}

fn request(bytes: &[u8], index: usize, count: usize) -> Request {
    let kind = u16_at(bytes, 4).unwrap();
    let route = matches!(kind, kind::NEW_ROUTE | kind::DEL_ROUTE | kind::GET_ROUTE);
    let prefix = route
        .then(|| message::parse_route(&bytes[HEADER_LEN..]))
        .flatten()
        .map(|route| route.prefix);
    Request {
        kind,
        prefix,
        index,
        count,
    }
}

/// `NLMSG_ERROR` with the header of the request.
fn answer(request: &[u8], errno: i32) -> Vec<u8> {
    let mut answer = Vec::new();
    answer.extend_from_slice(&36_u32.to_ne_bytes());
    answer.extend_from_slice(&kind::ERROR.to_ne_bytes());
    answer.extend_from_slice(&0_u16.to_ne_bytes());
    answer.extend_from_slice(&request[8..12]);
    answer.extend_from_slice(&[0; 4]);
    answer.extend_from_slice(&(-errno).to_ne_bytes());
    answer.extend_from_slice(&request[..HEADER_LEN]);
    answer
}

/// Whether a datagram belongs to a dump.
pub fn is_dump(datagram: &[u8]) -> bool {
    message::split(datagram)
        .next()
        .is_some_and(|raw| raw.flags & flag::MULTI != 0 && raw.kind == kind::NEW_ROUTE)
}

/// Whether it answers a write or a refused question.
pub fn is_verdict(datagram: &[u8]) -> bool {
    message::split(datagram)
        .next()
        .is_some_and(|raw| raw.kind == kind::ERROR)
}
