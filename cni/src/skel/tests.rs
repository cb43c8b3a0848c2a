use std::cell::RefCell;
use std::io::Cursor;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Ran {
    status: u8,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    fn error(&self) -> (u64, String) {
        assert_eq!(self.status, 1);
        assert_eq!(self.stderr, "", "errors go to stdout");
        let error = self.json();
        assert!(!error["details"].as_str().expect("details").is_empty());
        let text = format!("{} {}", error["msg"], error["details"]);
        (error["code"].as_u64().expect("code"), text)
    }
}

struct Call {
    environment: BTreeMap<OsString, OsString>,
    arguments: Vec<OsString>,
    interactive: bool,
    stdin: Vec<u8>,
}

impl Call {
    /// A DEL that would do nothing but look into an empty folder: it must come to its checks only.
    fn new(verb: &str) -> Self {
        let variables = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", "abc"),
            ("CNI_NETNS", "/nonexistent/netns"),
            ("CNI_IFNAME", "eth0"),
        ];
        let conf = json!({"cniVersion": "0.4.0", "name": "rcni", "type": "rcni",
            "ipam": {"type": "rcni", "dataDir": "/nonexistent", "subnet": "10.0.0.0/24"}});
        Self {
            environment: variables.map(|(k, v)| (k.into(), v.into())).into(),
            arguments: Vec::new(),
            interactive: false,
            stdin: conf.to_string().into_bytes(),
        }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.environment.remove(OsStr::new(name));
        self
    }

    fn stdin(mut self, text: &str) -> Self {
        self.stdin = text.as_bytes().to_vec();
        self
    }

    fn run(self) -> Ran {
        let (stdout, stderr) = (Shared::default(), Shared::default());
        let mut edge = Edge {
            arguments: self.arguments,
            environment: self.environment,
            interactive: self.interactive,
            stdin: Box::new(Cursor::new(self.stdin)),
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
        };
        let status = run(&mut edge);
        let text = |shared: &Shared| String::from_utf8(shared.0.borrow().clone()).expect("UTF-8");
        Ran {
            status,
            stdout: text(&stdout),
            stderr: text(&stderr),
        }
    }
}

#[test]
fn unknown_verbs_are_code_4() {
    for verb in ["add", "Add", "UPDATE", "ADD ", "", "GC", "STATUS"] {
        assert_eq!(Call::new(verb).run().error().0, 4, "{verb:?}");
    }
    let ran = Call::new("ADD").without("CNI_COMMAND").run();
    assert_eq!(ran.error().0, 4, "a runtime that forgot it");
}

#[test]
fn missing_and_bad_variables_are_named() {
    for verb in ["ADD", "DEL", "CHECK"] {
        for name in ["CNI_CONTAINERID", "CNI_IFNAME"] {
            for call in [
                Call::new(verb).without(name),
                Call::new(verb).set(name, ""),
                Call::new(verb).set(name, "a/b"),
                Call::new(verb).set(name, ".."),
                Call::new(verb).set(name, "a b"),
            ] {
                let (code, text) = call.run().error();
                assert_eq!(code, 4);
                assert!(text.contains(name), "{verb} {name}: {text}");
            }
        }
    }
    for verb in ["ADD", "CHECK"] {
        for call in [
            Call::new(verb).without("CNI_NETNS"),
            Call::new(verb).set("CNI_NETNS", ""),
            Call::new(verb),
        ] {
            let mut call = call;
            if verb == "CHECK" {
                let mut conf: Value = serde_json::from_slice(&call.stdin).expect("JSON");
                conf["prevResult"] = json!({"cniVersion": "0.4.0", "interfaces": []});
                call = call.stdin(&conf.to_string());
            }
            let (code, text) = call.run().error();
            assert_eq!(code, 4);
            assert!(text.contains("CNI_NETNS"), "{verb}: {text}");
        }
    }
}

#[test]
fn a_variable_that_is_no_text() {
    use std::os::unix::ffi::OsStringExt;
    for name in [
        "CNI_COMMAND",
        "CNI_CONTAINERID",
        "CNI_IFNAME",
        "CNI_NETNS",
        "CNI_ARGS",
    ] {
        let mut call = Call::new("DEL");
        let bytes = OsString::from_vec(vec![b'a', 0xff]);
        call.environment.insert(name.into(), bytes);
        let (code, text) = call.run().error();
        assert_eq!(code, 4);
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn the_plugins_own_namespace_is_refused_by_add_before_anything() {
    // Not by DEL, which never enters it; see the tests in namespaces.
    let (code, text) = Call::new("ADD")
        .set("CNI_NETNS", "/proc/thread-self/ns/net")
        .run()
        .error();
    assert_eq!(code, 4);
    assert!(text.contains("own network namespace"), "{text}");
}

#[test]
fn bad_configurations_have_their_codes() {
    for verb in ["ADD", "DEL"] {
        for (stdin, code) in [
            ("", 5),
            ("{", 6),
            ("[]", 6),
            ("{\"cniVersion\": \"9.0.0\", \"name\": \"a\"}", 1),
            ("{\"name\": \"a\", \"type\": \"rcni\"}", 1),
            ("{\"cniVersion\": \"1.0.0\", \"type\": \"rcni\"}", 7),
            ("{\"cniVersion\": \"1.0.0\", \"name\": 7}", 7),
        ] {
            let ran = Call::new(verb).stdin(stdin).run();
            assert_eq!(ran.error().0, code, "{verb} {stdin}");
        }
    }
    let garbage = " ".repeat(STDIN_MAX + 10);
    assert_eq!(Call::new("ADD").stdin(&garbage).run().error().0, 5);
}

#[test]
fn errors_speak_the_requests_version() {
    let stdin = "{\"cniVersion\": \"0.3.1\", \"name\": \"-\"}";
    assert_eq!(
        Call::new("ADD").stdin(stdin).run().json()["cniVersion"],
        "0.3.1"
    );
    let stdin = "{\"cniVersion\": \"7.7.7\", \"name\": \"a\"}";
    let ran = Call::new("ADD").stdin(stdin).run();
    assert_eq!(ran.json()["cniVersion"], "1.0.0");
    assert!(
        ran.error().1.contains("1.1.0"),
        "the supported ones are listed"
    );
}

#[test]
fn version_needs_nothing_but_its_verb() {
    for (stdin, version) in [
        ("", "1.0.0"),
        ("{\"cniVersion\": \"0.3.1\"}", "0.3.1"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"x\"}", "1.1.0"),
        ("{}", "1.0.0"),
    ] {
        let mut call = Call::new("VERSION").stdin(stdin);
        call.environment
            .retain(|name, _| name == OsStr::new("CNI_COMMAND"));
        let ran = call.run();
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        let answer = ran.json();
        assert_eq!(answer["cniVersion"], version);
        assert_eq!(
            answer["supportedVersions"],
            json!(["0.3.0", "0.3.1", "0.4.0", "1.0.0"])
        );
    }
    // podman fills the others with this.
    let ran = Call::new("VERSION")
        .set("CNI_NETNS", "dummy")
        .set("CNI_CONTAINERID", "dummy")
        .run();
    assert_eq!(ran.status, 0);
    assert_eq!(Call::new("VERSION").stdin("{").run().error().0, 6);
}

#[test]
fn a_person_gets_help() {
    let by_hand = |arguments: &[&str], interactive| {
        let mut call = Call::new("").without("CNI_COMMAND");
        call.arguments = arguments.iter().map(OsString::from).collect();
        call.interactive = interactive;
        call.run()
    };
    let about = by_hand(&[], true);
    assert_eq!((about.status, about.stdout.as_str()), (0, ""));
    assert!(about.stderr.starts_with("rcni "));
    let version = by_hand(&["--version"], false);
    assert_eq!(
        version.stdout,
        format!("rcni {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = by_hand(&["--help"], false);
    assert!(help.stdout.contains("CNI_COMMAND=VERSION rcni"));
    let wrong = by_hand(&["--verison"], true);
    assert_eq!((wrong.status, wrong.stdout.as_str()), (1, ""));
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(
        id in ".{0,12}", ifname in ".{0,18}", args in ".{0,40}", stdin in ".{0,60}",
        verb in "ADD|DEL|CHECK|VERSION|[A-Z]{0,4}",
    ) {
        // Configurations made of random text are never valid, so that nothing is ever done.
        let ran = Call::new(&verb).set("CNI_CONTAINERID", &id.replace('\0', ""))
            .set("CNI_IFNAME", &ifname.replace('\0', "")).set("CNI_ARGS", &args.replace('\0', ""))
            .stdin(&stdin).run();
        prop_assert!(ran.status <= 1);
        if ran.status == 1 {
            ran.error();
        }
    }
}
