//! DEL: the wire first, then the address, as often as one likes.
//!
//! The pod's namespace is never entered: deleting the host end takes the pod end with it, and a
//! namespace that is gone took both. So it does not matter whether `CNI_NETNS` is set, is gone, or
//! is a plain file that the runtime left. Nor whether it is the plugin's own namespace: a process of
//! the host may have got the number in `/proc/PID/ns/net` since, and DEL would fail for ever.
//!
//! Only if the kernel refuses to delete an interface that is there does DEL stop before the address:
//! its route still leads to the old pod, so that nobody else may get it. The runtime repeats DEL.

use std::ffi::OsStr;

use super::Request;
use super::add::release;
use crate::error::CniError;
use crate::netconf::Ipam;
use crate::netlink::Netlink;
use crate::netns;
use crate::veth;

/// Detaches the pod.
///
/// # Errors
/// What could not be deleted; of files all that could be deleted are.
pub fn del(request: &Request) -> Result<(), CniError> {
    let mut host = Netlink::open()?;
    veth::delete(&mut host, &request.attachment.host_interface())?;
    match &request.conf.ipam {
        Ipam::Absent => Ok(()),
        Ipam::Own(own) => release(&own.store, &request.attachment),
        Ipam::Delegate(name) => {
            let mut delegate = request.delegate(name);
            if request.netns.as_deref().is_some_and(netns::is_own) {
                // Many plugins refuse it; without the variable it is a pod that is gone.
                delegate.environment.remove(OsStr::new("CNI_NETNS"));
            }
            delegate.del()
        }
    }
}
