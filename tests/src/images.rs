//! The one table that says which local programs stand for which container image.
//!
//! To add an image: one more row in `TABLE`, and, if its programs are not on the host, its
//! Debian packages in `peers/recipe.rs`.

/// Where a node's root comes from; the node sees it through an overlay of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The machine's own root.
    Host,
    /// The tree that `rcni-lab peers` builds.
    Peers,
}

/// What stands for an image.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// Repository without registry and tag: `frrouting/frr`, or one part for official images.
    pub repositories: &'static [&'static str],
    /// Root of the node.
    pub root: Root,
    /// Whether rcni's own programs are put in.
    pub rcni: bool,
    /// What the image runs if the topology does not say otherwise (ENTRYPOINT).
    pub entrypoint: &'static [&'static str],
    /// Arguments of it (CMD).
    pub cmd: &'static [&'static str],
}

/// Path in an rcni node of the script that the container image uses as well.
pub const ENTRYPOINT_PATH: &str = "/usr/local/bin/rcni-entrypoint";

/// FRR's own start script runs `watchfrr`, which restarts what a test has killed; this starts
/// the daemons that `/etc/frr/daemons` names and nothing else. mgmtd (FRR 10) must come first.
const START_FRR: &str = r#"
. /etc/frr/daemons
mkdir -p /run/frr /var/log/frr /var/tmp/frr
chown frr:frr /run/frr /var/log/frr /var/tmp/frr
[ -x /usr/lib/frr/mgmtd ] && /usr/lib/frr/mgmtd -d -f /etc/frr/frr.conf
/usr/lib/frr/zebra -d -A 127.0.0.1 -s 16777216 -f /etc/frr/frr.conf
[ "$staticd" = no ] || /usr/lib/frr/staticd -d -A 127.0.0.1 -f /etc/frr/frr.conf
for daemon in bgpd bfdd; do
    eval "wanted=\$$daemon options=\$${daemon}_options"
    [ "$wanted" = yes ] && /usr/lib/frr/$daemon -d $options -f /etc/frr/frr.conf
done
true
"#;

/// OpenBGPD wants its control socket's folder and its chroot before it starts.
const START_OPENBGPD: &str = "mkdir -p /run/openbgpd && exec /usr/sbin/bgpd -d -f /etc/bgpd.conf";

const TABLE: &[Image] = &[
    Image {
        repositories: &["rcni/node"],
        root: Root::Host,
        rcni: true,
        entrypoint: &[ENTRYPOINT_PATH],
        cmd: &[],
    },
    Image {
        repositories: &["frrouting/frr"],
        root: Root::Peers,
        rcni: false,
        entrypoint: &[],
        cmd: &["/bin/bash", "-c", START_FRR],
    },
    Image {
        repositories: &["bird", "rcni/bird"],
        root: Root::Peers,
        rcni: false,
        entrypoint: &[],
        cmd: &["/usr/sbin/bird", "-f", "-c", "/etc/bird/bird.conf"],
    },
    Image {
        repositories: &["osrg/gobgp", "rcni/gobgp"],
        root: Root::Peers,
        rcni: false,
        entrypoint: &[],
        cmd: &[
            "/usr/bin/gobgpd",
            "-t",
            "yaml",
            "-f",
            "/etc/gobgp/gobgp.yml",
        ],
    },
    Image {
        repositories: &["openbgpd/openbgpd", "rcni/openbgpd"],
        root: Root::Peers,
        rcni: false,
        entrypoint: &[],
        cmd: &["/bin/sh", "-c", START_OPENBGPD],
    },
    Image {
        repositories: &["alpine", "debian", "busybox"],
        root: Root::Host,
        rcni: false,
        entrypoint: &[],
        cmd: &[],
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
    fn a_tag_and_a_registry_do_not_matter() {
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
    fn an_image_that_nothing_stands_for_is_not_guessed() {
        assert_eq!(find("ceos:4.32"), None);
        assert_eq!(find("someone/alpine"), None);
    }
}
