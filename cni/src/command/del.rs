//! DEL: the wire first, then the address; to the end past errors, and as often as one likes.
//!
//! The pod's namespace is never entered: deleting the host end takes the pod end with it, and a
//! namespace that is gone took both. So it does not matter whether `CNI_NETNS` is set, is gone, or
//! is a plain file that the runtime left.

use super::Request;
use super::add::{refuse_own, release};
use crate::error::CniError;
use crate::netconf::Ipam;
use crate::netlink::Netlink;
use crate::veth;

/// Detaches the pod.
///
/// # Errors
/// The first failure, with the others in its details; everything that could be done was done.
pub fn del(request: &Request) -> Result<(), CniError> {
    if let Some(path) = &request.netns {
        refuse_own(request, path)?;
    }
    let unwired = unwire(request);
    // An address whose route is still there must not be given to another pod.
    let released = match (&unwired, &request.conf.ipam) {
        (_, Ipam::Absent) => Ok(()),
        (Err(_), Ipam::Own(_)) => Ok(()),
        (Ok(()), Ipam::Own(own)) => release(&own.store, &request.attachment),
        (_, Ipam::Delegate(name)) => request.delegate(name).del(),
    };
    match (unwired, released) {
        (Err(first), Err(second)) => Err(first.and(&[second.to_string()])),
        (first, second) => first.and(second),
    }
}

fn unwire(request: &Request) -> Result<(), CniError> {
    let mut host = Netlink::open()?;
    veth::delete(&mut host, &request.attachment.host_interface())?;
    Ok(())
}
