//! What a tree of peers consists of. A change here makes a new tree.

/// One Debian suite with the routers of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Code name of the suite.
    pub(super) suite: &'static str,
    /// Packages unpacked over the minimal system, with what they depend on.
    pub(super) packages: &'static [&'static str],
}

/// The suites there are recipes for; the first is the default. Which image tags choose which
/// suite is said in `images.rs`.
pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
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
    },
    Recipe {
        suite: "trixie",
        packages: NEWER,
    },
    // Moves all the time: what is built from it is for the long test run only.
    Recipe {
        suite: "sid",
        packages: NEWER,
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
    /// Differs whenever anything of the recipe differs (64-bit FNV-1a, which needs no crate and
    /// is the same in every build).
    #[must_use]
    pub(super) fn hash(&self) -> String {
        let text = format!("{VERSION} {self:?} {USERS:?} {GROUPS:?} {FOLDERS:?}");
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}
