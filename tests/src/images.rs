//! The one table that says which local programs stand for which container image.
//!
//! To add an image: one more row in `TABLE`, and, if its programs are not on the host, its
//! Debian packages in `peers/recipe.rs`.

/// Where a node's root comes from; the node sees it through an overlay of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The machine's own root.
    Host,
    /// A tree that `rcni-lab peers` builds; the tag says which.
    Peers,
}

/// Suites of the trees, by the version of a program: the last one whose first version is not
/// newer than the tag's. The first is what no tag, and a tag without a version, stand for.
type Suites = &'static [(&'static str, (u32, u32))];

/// The same in every row that does not need a tree.
const NO_TREE: Suites = &[];

/// What stands for an image.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// Repository without registry and tag: `frrouting/frr`, or one part for official images.
    pub repositories: &'static [&'static str],
    /// Root of the node.
    pub root: Root,
    /// Which tree, if it is one.
    suites: Suites,
    /// Whether rcni's own programs are put in.
    pub rcni: bool,
    /// What the image runs if the topology does not say otherwise (ENTRYPOINT).
    pub entrypoint: &'static [&'static str],
    /// Arguments of it (CMD).
    pub cmd: &'static [&'static str],
    /// What must succeed before `exec` lines are run: containers have long been up by then.
    pub settled: &'static [&'static str],
}

/// Path in an rcni node of the script that the container image uses as well.
pub const ENTRYPOINT_PATH: &str = "/usr/local/bin/rcni-entrypoint";

/// FRR's own start script runs `watchfrr`, which restarts what a test has killed; this starts
/// the daemons that `/etc/frr/daemons` names and nothing else.
///
/// FRR 10: mgmtd must come first; it and staticd read no file, `vtysh -b` tells them.
const START_FRR: &str = r#"
. /etc/frr/daemons
config="-f /etc/frr/frr.conf"
static_config=$config
mkdir -p /run/frr /var/log/frr /var/tmp/frr
chown frr:frr /run/frr /var/log/frr /var/tmp/frr
if [ -x /usr/lib/frr/mgmtd ]; then
    static_config=
    /usr/lib/frr/mgmtd -d -A 127.0.0.1
fi
/usr/lib/frr/zebra -d ${zebra_options:--A 127.0.0.1 -s 16777216} $config
[ "$staticd" = no ] || /usr/lib/frr/staticd -d -A 127.0.0.1 $static_config
for daemon in bgpd bfdd; do
    eval "wanted=\$$daemon options=\$${daemon}_options"
    [ "$wanted" = yes ] && /usr/lib/frr/$daemon -d $options $config
done
[ -x /usr/lib/frr/mgmtd ] && vtysh -b
true
"#;

/// BIRD wants its control socket's folder.
const START_BIRD: &str = "mkdir -p /run/bird && exec /usr/sbin/bird -f -c /etc/bird/bird.conf";

/// bgpd has introduced itself to zebra. What is changed on interfaces while the two still do that
/// is not always told to bgpd (FRR 8.4), which then lacks an address for good.
const FRR_SETTLED: &str = r#"
. /etc/frr/daemons
[ "$bgpd" != yes ] || vtysh -d zebra -c 'show zebra client summary' | grep -q '^bgp '
"#;

/// OpenBGPD wants its control socket's folder and its chroot before it starts.
const START_OPENBGPD: &str = "mkdir -p /run/openbgpd && exec /usr/sbin/bgpd -d -f /etc/bgpd.conf";

// Debian's versions: FRR 8.4, 10.3, 10.7; BIRD 2.0, 3.1, 3.4; GoBGP 3.10, 3.36, 4.8;
// OpenBGPD 7.7, 8.8, 9.3.
const FRR: Suites = &[("bookworm", (0, 0)), ("trixie", (10, 0)), ("sid", (10, 5))];
const BIRD: Suites = &[("bookworm", (0, 0)), ("trixie", (3, 0)), ("sid", (3, 2))];
const GOBGP: Suites = &[("bookworm", (0, 0)), ("trixie", (3, 20)), ("sid", (4, 0))];
const OPENBGPD: Suites = &[("bookworm", (0, 0)), ("trixie", (8, 0)), ("sid", (9, 0))];

const TABLE: &[Image] = &[
    Image {
        repositories: &["rcni/node"],
        root: Root::Host,
        suites: NO_TREE,
        rcni: true,
        entrypoint: &[ENTRYPOINT_PATH],
        cmd: &[],
        settled: &[],
    },
    // A node that can run containers: podman and containerd are there beside rcni's programs.
    Image {
        repositories: &["rcni/node-runtimes"],
        root: Root::Peers,
        suites: &[("runtimes", (0, 0))],
        rcni: true,
        entrypoint: &[ENTRYPOINT_PATH],
        cmd: &[],
        settled: &[],
    },
    Image {
        repositories: &["frrouting/frr"],
        root: Root::Peers,
        suites: FRR,
        rcni: false,
        entrypoint: &[],
        cmd: &["/bin/bash", "-c", START_FRR],
        settled: &["/bin/sh", "-c", FRR_SETTLED],
    },
    Image {
        repositories: &["bird", "rcni/bird"],
        root: Root::Peers,
        suites: BIRD,
        rcni: false,
        entrypoint: &[],
        cmd: &["/bin/sh", "-c", START_BIRD],
        settled: &[],
    },
    Image {
        repositories: &["osrg/gobgp", "rcni/gobgp"],
        root: Root::Peers,
        suites: GOBGP,
        rcni: false,
        entrypoint: &[],
        cmd: &[
            "/usr/bin/gobgpd",
            "-t",
            "yaml",
            "-f",
            "/etc/gobgp/gobgp.yml",
        ],
        settled: &[],
    },
    Image {
        repositories: &["openbgpd/openbgpd", "rcni/openbgpd"],
        root: Root::Peers,
        suites: OPENBGPD,
        rcni: false,
        entrypoint: &[],
        cmd: &["/bin/sh", "-c", START_OPENBGPD],
        settled: &[],
    },
    Image {
        repositories: &["alpine", "debian", "busybox"],
        root: Root::Host,
        suites: NO_TREE,
        rcni: false,
        entrypoint: &[],
        cmd: &[],
        settled: &[],
    },
];

/// What stands for `image`, written as `[registry/]repository[:tag]`.
#[must_use]
pub fn find(image: &str) -> Option<&'static Image> {
    let repository = repository(image);
    TABLE
        .iter()
        .find(|row| row.repositories.contains(&repository))
}

impl Image {
    /// Suite of the tree of routers that this image's root is; none if it is not one.
    ///
    /// `v8.4.0`, `8.4.0-alpine` and `8.4` are one version; `latest`, `edge` and other words are
    /// none, and stand for the default suite, so that nothing changes by itself.
    #[must_use]
    pub fn suite(&self, image: &str) -> Option<&'static str> {
        let wanted = version(tag(image)).unwrap_or_default();
        let found = self.suites.iter().rev().find(|(_, from)| *from <= wanted);
        found.or(self.suites.first()).map(|(suite, _)| *suite)
    }
}

/// The known repositories, for an error message.
#[must_use]
pub fn known() -> String {
    let all: Vec<&str> = TABLE
        .iter()
        .flat_map(|row| row.repositories)
        .copied()
        .collect();
    all.join(", ")
}

/// What follows the repository, without a digest; empty if nothing does.
fn tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag,
        _ => "",
    }
}

/// The first two numbers of a tag that begins with a version.
fn version(tag: &str) -> Option<(u32, u32)> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let mut numbers = tag.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse().ok());
    Some((major, minor.unwrap_or_default()))
}

/// `registry.example/frrouting/frr:v8.4.0` → `frrouting/frr`; `registry.example/library/alpine@sha256:…` →
/// `alpine`. A registry is told by the dot or port in its name, as engines do.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let image = match image.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => image,
    };
    let image = match image.split_once('/') {
        Some((registry, rest)) if registry.contains(['.', ':']) || registry == "localhost" => rest,
        _ => image,
    };
    image.strip_prefix("library/").unwrap_or(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_and_a_registry_do_not_make_another_image() {
        for image in [
            "frrouting/frr",
            "frrouting/frr:v8.4.0",
            "registry.example/frrouting/frr:v8.4.0",
            "localhost:5000/frrouting/frr",
        ] {
            assert_eq!(
                find(image).map(|row| row.root),
                Some(Root::Peers),
                "{image}"
            );
        }
        assert_eq!(
            repository("registry.example/library/alpine@sha256:00"),
            "alpine"
        );
        assert!(find("rcni/node:latest").is_some_and(|row| row.rcni));
    }

    #[test]
    fn the_tag_chooses_the_suite() {
        for (image, wanted) in [
            ("frrouting/frr", Some("bookworm")),
            ("frrouting/frr:latest", Some("bookworm")),
            ("frrouting/frr:v8.4.0", Some("bookworm")),
            ("localhost:5000/frrouting/frr", Some("bookworm")),
            ("frrouting/frr:9.1", Some("bookworm")),
            ("frrouting/frr:10", Some("trixie")),
            ("quay.io/frrouting/frr:10.3.1@sha256:00", Some("trixie")),
            ("frrouting/frr:10.7.1", Some("sid")),
            ("frrouting/frr:11.0", Some("sid")),
            ("bird:2.17", Some("bookworm")),
            ("bird:3.1.7-alpine", Some("trixie")),
            ("bird:3.4", Some("sid")),
            ("osrg/gobgp:v3.36.0", Some("trixie")),
            ("osrg/gobgp:4.8.0", Some("sid")),
            ("openbgpd/openbgpd:8.8", Some("trixie")),
            ("openbgpd/openbgpd:9.3", Some("sid")),
            ("rcni/node-runtimes:latest", Some("runtimes")),
            ("alpine:3", None),
            ("rcni/node:10.7", None),
        ] {
            let row = find(image).unwrap();
            assert_eq!(row.suite(image), wanted, "{image}");
            assert_eq!(row.suite(image).is_some(), row.root == Root::Peers);
        }
    }

    #[test]
    fn an_image_that_nothing_stands_for_is_not_guessed() {
        assert_eq!(find("ceos:4.32"), None);
        assert_eq!(find("someone/alpine"), None);
    }
}
