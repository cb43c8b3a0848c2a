//! Where rcni's files are. Every one can be changed by a flag or a field.

/// `rcni-bgp`'s configuration.
pub const BGP_CONFIG: &str = "/etc/rcni/bgp.yaml";
/// `felix-lite`'s configuration.
pub const FELIX_CONFIG: &str = "/etc/rcni/felix.yaml";
/// `rcni-bgp`'s control socket.
pub const BGP_SOCKET: &str = "/run/rcni/bgp.sock";
/// `felix-lite`'s control socket.
pub const FELIX_SOCKET: &str = "/run/rcni/felix.sock";
/// The folder in which container runtimes look for network configurations.
pub const CNI_CONF_DIR: &str = "/etc/cni/net.d";
/// The name of the network configuration that `felix-lite` writes.
pub const CNI_CONF_NAME: &str = "10-rcni.conflist";
/// The CNI network's name, if not configured.
pub const CNI_NETWORK_NAME: &str = "rcni";
/// Address reservations, in host-local's layout: `<here>/<network>/<ip>`.
pub const CNI_DATA_DIR: &str = "/var/lib/cni/networks";
/// rcni's own records beside them, one per attachment: `<here>/<network>/<host interface>`.
pub const CNI_RECORD_DIR: &str = "/var/lib/cni/rcni";
/// What `felix-lite` changed on the node, with the values from before.
pub const FELIX_STATE_DIR: &str = "/var/lib/rcni/felix";
