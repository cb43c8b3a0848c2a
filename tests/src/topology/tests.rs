use super::*;

/// Resolves a file of these lines, with an existing folder for relative binds.
fn parse(text: &str) -> Result<Topology, TopologyError> {
    Topology::parse(
        Path::new("x.clab.yml"),
        Path::new(env!("CARGO_MANIFEST_DIR")),
        text,
    )
}

/// The problems of a file as `line: message`.
fn problems(text: &str) -> Vec<String> {
    let error = parse(text).expect_err("must be refused");
    error
        .0
        .iter()
        .map(|problem| format!("{}: {}", problem.line, problem.message))
        .collect()
}

/// A topology of one node with these lines in it.
fn node(lines: &str) -> String {
    let indented: String = lines
        .lines()
        .map(|line| format!("      {line}\n"))
        .collect();
    format!(
        "name: x\ntopology:\n  defaults: {{kind: linux, image: alpine, network-mode: none}}\n  \
         nodes:\n    a:\n{indented}"
    )
}

/// Asserts that exactly one problem is found, in `line`, with `word` in its text.
#[track_caller]
fn refused(text: &str, line: u64, word: &str) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with(&format!("{line}: ")) && found[0].contains(word),
        "{found:#?}"
    );
}

const LAYERS: &str = "
name: layers
topology:
  defaults:
    kind: linux
    network-mode: none
    image: alpine
    cmd: from defaults
    exec: [echo defaults]
    env: {A: defaults, B: defaults, C: defaults, D: 1}
    binds: ['src:/a', 'src:/b']
  kinds:
    linux:
      image: debian
      exec: [echo kind]
      env: {A: kind, B: kind, C: kind}
  groups:
    g:
      image: busybox
      exec: [echo group]
      env: {A: group, B: group}
      binds: ['Cargo.toml:/b:ro']
      sysctls: {net.ipv4.ip_forward: 1}
  nodes:
    plain:
    grouped:
      group: g
      exec: [echo 'the __clabNodeName__']
      env: {A: node}
";

#[test]
fn the_more_particular_layer_wins_and_lists_add_up() {
    let topology = parse(LAYERS).unwrap();
    let plain = topology.node("plain").unwrap();
    assert_eq!(plain.image, "debian");
    assert_eq!(plain.env["A"], "kind");
    let node = topology.node("grouped").unwrap();
    assert_eq!(node.image, "busybox");
    let cmd = node.cmd.as_ref().unwrap();
    assert_eq!(
        (cmd.line, cmd.argv.join(" ").as_str()),
        (8, "from defaults")
    );
    let env = ["A", "B", "C", "D"].map(|key| node.env[key].as_str());
    assert_eq!(env, ["node", "group", "kind", "1"]);
    let exec: Vec<&str> = node.exec.iter().map(|line| line.argv[1].as_str()).collect();
    assert_eq!(exec, ["defaults", "kind", "group", "the grouped"]);
    assert_eq!(node.sysctls["net.ipv4.ip_forward"].value, "1");
    let binds: Vec<_> = node
        .binds
        .iter()
        .map(|b| (b.target.to_str().unwrap(), b.read_only))
        .collect();
    assert_eq!(binds, [("/a", false), ("/b", true)]);
    assert!(
        node.binds[1].source.ends_with("tests/Cargo.toml"),
        "{node:?}"
    );
}

#[test]
fn a_link_has_containerlabs_mtu_unless_it_says_otherwise() {
    let text = "name: x
topology:
  defaults: {kind: linux, image: alpine, network-mode: none}
  nodes: {a: , b: }
  links:
    - endpoints: ['a:eth1', 'b:eth1']
    - {endpoints: ['a:eth2', 'b:eth2'], mtu: 1500}
";
    let topology = parse(text).unwrap();
    let mtus: Vec<u32> = topology.links.iter().map(|link| link.mtu).collect();
    assert_eq!(mtus, [9500, 1500]);
    assert_eq!(topology.links[1].ends[0].to_string(), "a:eth2");
    assert_eq!(topology.links[1].line, 7);
}

#[test]
fn what_cannot_be_honoured_names_its_line() {
    refused(&node("stages: {}"), 6, "unknown field");
    refused(&node("image: ceos:4.32"), 6, "ceos:4.32");
    refused(&node("kind: bridge"), 6, "bridge");
    refused(&node("group: nobody"), 6, "nobody");
    refused(&node("network-mode: host"), 6, "network-mode");
    refused(&node("exec:\n  - ip link\n  - echo 'open"), 8, "quote");
    refused(&node("cmd: run __clabNodeName__"), 6, "binds and exec");
    refused(&node("sysctls:\n  kernel.panic: 1"), 7, "kernel.panic");
    refused(
        &node("sysctls:\n  net.ipv4/../../kernel.panic: 1"),
        7,
        "only net.*",
    );
    refused(&node("exec:\n  - echo ok\n  - echo $HOME"), 8, "$");
    refused("name: [\n", 1, "");
    refused("name: x\n", 1, "topology");
}

#[test]
fn binds_are_checked_before_anything_runs() {
    refused(&node("binds: ['nowhere/at/all:/x']"), 6, "does not exist");
    refused(&node("binds: ['src:relative']"), 6, "absolute");
    refused(&node("binds: ['src:/a/../b']"), 6, "absolute");
    refused(&node("binds: ['src:/']"), 6, "absolute");
    refused(&node("binds: ['src:/x:suid']"), 6, "suid");
    for target in ["/proc", "/proc/sys/net", "/sys/x", "/dev/net"] {
        let text = node(&format!("binds:\n  - 'src:{target}'"));
        refused(&text, 7, "of its own");
    }
    assert!(parse(&node("binds: ['src:/device', 'src:/srv/proc']")).is_ok());
    refused(&node("binds: ['~/x:/x']"), 6, "home folder");
    refused(&node("binds: ['src']"), 6, "SOURCE:TARGET");
    refused(
        &node("binds: ['src:/x', 'Cargo.toml:/x']"),
        6,
        "bound twice",
    );
    let fine = parse(&node("binds: ['__clabNodeDir__/made/later:/x']")).unwrap();
    assert!(fine.nodes[0].binds[0].source.starts_with(NODE_DIR));
}

#[test]
fn links_are_checked_against_the_nodes() {
    let with = |link: &str| {
        format!(
            "name: x\ntopology:\n  defaults: {{kind: linux, image: alpine, network-mode: none}}\n  \
             nodes: {{a: , b: }}\n  links:\n    - endpoints: ['a:eth1', 'b:eth1']\n    - {link}\n"
        )
    };
    refused(&with("endpoints: ['a:eth2', 'c:eth1']"), 7, "no node c");
    refused(
        &with("endpoints: ['a:eth1', 'b:eth2']"),
        7,
        "already used in line 6",
    );
    refused(
        &with("endpoints: ['a:eth2', 'b:an-interface-too-long']"),
        7,
        "cannot be an interface",
    );
    refused(
        &with("endpoints: ['a:lo', 'b:eth2']"),
        7,
        "cannot be an interface",
    );
    refused(&with("endpoints: ['a:eth2']"), 7, "a link has 2");
    refused(&with("endpoints: [a, 'b:eth2']"), 7, "NODE:INTERFACE");
    refused(
        &with("{endpoints: ['a:eth2', 'b:eth2'], mtu: 40}"),
        7,
        "mtu 40",
    );
    refused(
        &with("{endpoints: ['a:eth2', 'b:eth2'], ipv4: ['10.0.0.1/24']}"),
        7,
        "ipv4",
    );
}

#[test]
fn a_wrong_mtu_is_told_at_its_own_line() {
    for (mtu, word) in [
        ("40", "mtu 40"),
        ("big", "mtu big"),
        ("-4", "mtu -4"),
        ("[]", "a text"),
    ] {
        let text = format!(
            "name: x\ntopology:\n  defaults: {{kind: linux, image: alpine, network-mode: none}}\n  \
             nodes: {{a: , b: }}\n  links:\n    - endpoints: ['a:eth1', 'b:eth1']\n      mtu: {mtu}\n"
        );
        refused(&text, 7, word);
    }
}

#[test]
fn a_node_cannot_be_less_privileged_than_it_is() {
    refused(&node("image: alpine\nprivileged: false"), 7, "privileged");
    refused(&node("privileged: maybe"), 6, "privileged");
    assert!(parse(&node("privileged: true")).is_ok());
}

/// What is said is about the file, not about the parser.
#[test]
fn no_words_of_the_parser_reach_the_user() {
    for (lines, words) in [
        ("env:\n  X: [1]", "a text, a number, true or false"),
        ("env:\n  X: {a: 1}", "a text, a number, true or false"),
        ("env:\n  X:", "a text, a number, true or false"),
        (
            "env: {Y: 1}\nsysctls: {net.x: 1, net.x: 2}",
            "net.x is there twice",
        ),
    ] {
        refused(&node(lines), 7, words);
        let said = problems(&node(lines)).join("");
        for word in ["untagged", "Scalar", "Policy", " at line "] {
            assert!(!said.contains(word), "{said}");
        }
    }
    let env = parse(&node(
        "env: {A: 18446744073709551615, B: 1.5, C: true, D: '007'}",
    ))
    .unwrap();
    let env: Vec<&str> = env.nodes[0].env.values().map(String::as_str).collect();
    assert_eq!(env, ["18446744073709551615", "1.5", "true", "007"]);
}

#[test]
fn every_problem_is_told_at_once() {
    let found =
        problems("name: x y\ntopology:\n  nodes:\n    a: {kind: linux}\n    b: {image: alpine}\n");
    let text = found.join("\n");
    for word in [
        "name:",
        "a: has no image",
        "b: has no kind",
        "network-mode: none",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn the_same_key_twice_is_refused() {
    let text = node("image: alpine\nimage: debian");
    assert!(
        problems(&text)[0].starts_with("7: "),
        "{:?}",
        problems(&text)
    );
}

#[test]
fn the_repositorys_own_topologies_resolve() {
    let files = crate::topologies().unwrap();
    for file in &files {
        Topology::load(file).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(files.len() >= 8, "only {files:?} found");
}

/// The configurations that topologies bind into rcni's nodes are ones that the daemons accept.
#[test]
fn every_bound_configuration_is_accepted() {
    let (mut speakers, mut agents) = (0, 0);
    for file in crate::topologies().unwrap() {
        let topology = Topology::load(&file).unwrap_or_else(|error| panic!("{error}"));
        for bind in topology.nodes.iter().flat_map(|node| &node.binds) {
            match bind.target.to_str().unwrap() {
                "/etc/rcni/bgp.yaml" => {
                    rcni_config::load_speaker(&bind.source).unwrap_or_else(|e| panic!("{e}"));
                    speakers += 1;
                }
                "/etc/rcni/felix.yaml" => {
                    rcni_config::load_felix(&bind.source).unwrap_or_else(|e| panic!("{e}"));
                    agents += 1;
                }
                _ => {}
            }
        }
    }
    assert!(
        speakers >= 20 && agents >= 18,
        "{speakers} speakers, {agents} agents"
    );
}

proptest::proptest! {
    /// Bytes from a file never panic, whatever they are.
    #[test]
    fn any_text_is_an_answer(text in "\\PC{0,200}", lines in "[a-z0-9: \\-{}\\[\\],'\"$&*!|>\n]{0,300}") {
        let _ = parse(&text);
        let _ = parse(&lines);
        let _ = parse(&node(&lines));
    }
}
