//! What became of own routes without our doing: why, how often, and who did it.

use std::fmt;

use rcni_control::text::escape;

/// Why an own route had to be put back or put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Another program deleted it.
    Deleted,
    /// Another program changed it, or put its own in its place.
    Changed,
    /// It went with a link or an address.
    Link,
    /// A dump showed it, and nothing had told why: a lost notification, or an audit.
    Audit,
}

impl Cause {
    /// All.
    pub const ALL: [Self; 4] = [Self::Deleted, Self::Changed, Self::Link, Self::Audit];

    /// A word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Changed => "changed",
            Self::Link => "link",
            Self::Audit => "audit",
        }
    }
}

/// How often, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs([u64; Cause::ALL.len()]);

impl Repairs {
    /// So many more.
    pub fn add(&mut self, cause: Cause, count: usize) {
        self.0[cause as usize] += count as u64;
    }

    /// With each of [`Cause::ALL`].
    #[must_use]
    pub fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Who asked the kernel for a change: the port id of a netlink socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doer(pub u32);

impl Doer {
    /// Nobody asked: a link or an address went, or a lifetime ended.
    #[must_use]
    pub fn is_kernel(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Doer {
    /// The kernel gives a program's first socket its process id as port id, but nobody has to take
    /// it, and in a container it is a number of another PID namespace: more than "most likely" is not
    /// known. Looks into `/proc`, so only for what is really written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(port) = self;
        if self.is_kernel() {
            return f.write_str("the kernel itself");
        }
        match std::fs::read_to_string(format!("/proc/{port}/comm")) {
            Ok(name) => write!(
                f,
                "netlink port {port}, most likely {} (process {port})",
                escape(name.trim_end())
            ),
            Err(_) => write!(
                f,
                "netlink port {port}, of no process that runs here (ended, or in a container)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_are_counted_by_cause() {
        let mut repairs = Repairs::default();
        for (count, cause) in Cause::ALL.into_iter().enumerate() {
            repairs.add(cause, count + 1);
        }
        repairs.add(Cause::Link, 10);
        let told = Cause::ALL.map(|cause| (cause.as_str(), repairs.of(cause)));
        let expected = [("deleted", 1), ("changed", 2), ("link", 13), ("audit", 4)];
        assert_eq!((told, repairs.total()), (expected, 20));
    }

    #[test]
    fn whoever_did_it_is_named_as_far_as_it_is_known() {
        let own = std::process::id();
        let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
        let name = comm.trim_end();
        let expected = format!("netlink port {own}, most likely {name} (process {own})");
        assert_eq!(Doer(own).to_string(), expected);
        assert_eq!(Doer(0).to_string(), "the kernel itself");
        // A port that is no process id.
        let text = Doer(4_000_000_000).to_string();
        assert!(text.contains("no process that runs here"), "{text}");
    }
}
