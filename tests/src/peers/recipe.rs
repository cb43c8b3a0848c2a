//! What a tree of peers consists of. A change here makes a new tree.

/// One Debian suite with programs of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Name of the tree: the suite's, for routers.
    pub(super) name: &'static str,
    /// Code name of the suite.
    pub(super) suite: &'static str,
    /// Packages unpacked over the minimal system, with what they depend on.
    pub(super) packages: &'static [&'static str],
    /// Links that the packages' own scripts would have made: path, and where it leads.
    pub(super) links: &'static [(&'static str, &'static str)],
}

/// Trees that `make test` needs.
pub(super) const DEFAULT: &[&str] = &["bookworm", "runtimes"];

/// The trees there are recipes for. Which image tags choose which tree is said in `images.rs`.
pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "bookworm",
        suite: "bookworm",
        packages: &[
            "frr",
            "bird2",
            "gobgpd",
            "openbgpd",
            "iproute2",
            "iputils-ping",
            "procps",
        ],
        links: &[],
    },
    // Container runtimes and other plugins, for nodes that run containers. podman is the last
    // version that still executes plugins by default.
    Recipe {
        name: "runtimes",
        suite: "bookworm",
        packages: &[
            "podman",
            "conmon",
            "crun",
            "runc",
            "containerd",
            "containernetworking-plugins",
            "iptables",
            "nftables",
            "iproute2",
            "iputils-ping",
            "procps",
            "busybox-static",
        ],
        links: &[
            ("usr/sbin/iptables", "xtables-nft-multi"),
            ("usr/sbin/iptables-save", "xtables-nft-multi"),
            ("usr/sbin/iptables-restore", "xtables-nft-multi"),
            ("usr/sbin/ip6tables", "xtables-nft-multi"),
            ("usr/sbin/ip6tables-save", "xtables-nft-multi"),
            ("usr/sbin/ip6tables-restore", "xtables-nft-multi"),
        ],
    },
    Recipe {
        name: "trixie",
        suite: "trixie",
        packages: NEWER,
        links: &[],
    },
    // Moves all the time: what is built from it is for the long test run only.
    Recipe {
        name: "sid",
        suite: "sid",
        packages: NEWER,
        links: &[],
    },
];

/// The same routers in newer suites. BIRD 2 and BIRD 3 exclude each other there.
const NEWER: &[&str] = &[
    "frr",
    "bird3",
    "gobgpd",
    "openbgpd",
    "iproute2",
    "iputils-ping",
    "procps",
];

/// System users that the packages' own scripts would have made: name, number (user and group),
/// home. Unpacked packages run no scripts.
pub(super) const USERS: &[(&str, u32, &str)] = &[
    ("frr", 901, "/nonexistent"),
    ("bird", 902, "/run/bird"),
    ("_openbgpd", 903, "/run/openbgpd"),
    ("gobgp", 904, "/nonexistent"),
];

/// Groups beyond the users' own: name, number, members.
pub(super) const GROUPS: &[(&str, u32, &str)] = &[("frrvty", 911, "frr,root")];

/// Folders: path, owner's number, mode.
pub(super) const FOLDERS: &[(&str, u32, u32)] = &[
    ("run/openbgpd", 0, 0o755),
    ("var/log/frr", 901, 0o750),
    ("run/bird", 902, 0o775),
];

/// Raised when the way of building changes and not the list.
const VERSION: u32 = 1;

impl Recipe {
    /// Differs whenever anything in the tree differs (64-bit FNV-1a, which needs no crate and
    /// is the same in every build).
    #[must_use]
    pub(super) fn hash(&self) -> String {
        let Self {
            suite,
            packages,
            links,
            ..
        } = self;
        let text = format!(
            "{VERSION} Recipe {{ suite: {suite:?}, packages: {packages:?} }} {USERS:?} {GROUPS:?} \
             {FOLDERS:?}"
        );
        let links = if links.is_empty() {
            String::new()
        } else {
            format!("{links:?}")
        };
        let text = text + &links;
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}
