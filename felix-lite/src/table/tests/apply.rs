//! The applier, with a fake kernel.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rcni_config::IptablesBackend;

use super::super::apply::{Applier, TableError};
use super::super::backend::{self, Backend, Store};
use super::super::diff::Plan;
use super::super::keeper::sweep;
use super::super::model::Family;
use super::super::runner::{Completed, RunError, Runner};
use super::{desired, in_place};

/// A kernel whose rules are a text, and programs that print and replace it.
#[derive(Clone, Default)]
struct Fake {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// What each `…-save` prints; a program that is not here does not exist.
    saved: BTreeMap<String, String>,
    versions: BTreeMap<String, String>,
    /// What the next restores answer, and what is printed after them.
    restores: Vec<(Result<(), String>, String)>,
    calls: Vec<String>,
}

impl Runner for Fake {
    async fn run(&self, program: &str, args: &[&str], stdin: &str) -> Result<Completed, RunError> {
        let mut inner = self.inner.lock().unwrap();
        inner
            .calls
            .push(format!("{program} {}\n{stdin}", args.join(" ")));
        let missing = || RunError::NotFound(program.to_owned());
        let good = |stdout: &str| Completed {
            success: true,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        };
        if let Some(base) = program.strip_suffix("-restore") {
            let (answer, after) = inner.restores.remove(0);
            inner.saved.insert(format!("{base}-save"), after);
            return Ok(match answer {
                Ok(()) => good(""),
                Err(stderr) => Completed {
                    stderr,
                    ..Completed::default()
                },
            });
        }
        let saved = inner.saved.get(program);
        if let Some(stderr) = saved.and_then(|text| text.strip_prefix("FAILS ")) {
            return Ok(Completed {
                stderr: stderr.to_owned(),
                ..Completed::default()
            });
        }
        let known = inner
            .saved
            .get(program)
            .or_else(|| inner.versions.get(program));
        known.map(|text| good(text)).ok_or_else(missing)
    }
}

impl Fake {
    fn with(saved: &str, restores: &[(Result<(), String>, &str)]) -> Self {
        let fake = Self::default();
        {
            let mut inner = fake.inner.lock().unwrap();
            inner.saved.insert("t-save".to_owned(), saved.to_owned());
            inner.restores = restores
                .iter()
                .map(|(answer, text)| (answer.clone(), (*text).to_owned()))
                .collect();
        }
        fake
    }

    fn programs(list: &[(&str, &str, &str)]) -> Self {
        let fake = Self::default();
        {
            let mut inner = fake.inner.lock().unwrap();
            for (program, version, saved) in list {
                inner
                    .versions
                    .insert((*program).to_owned(), (*version).to_owned());
                inner
                    .saved
                    .insert(format!("{program}-save"), (*saved).to_owned());
            }
        }
        fake
    }

    fn restores(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap();
        inner
            .calls
            .iter()
            .filter(|call| call.starts_with("t-restore"))
            .cloned()
            .collect()
    }

    fn applier(&self) -> Applier<Self> {
        Applier::new(
            self.clone(),
            Backend {
                family: Family::V4,
                store: Store::Nft,
                save: "t-save".to_owned(),
                restore: "t-restore".to_owned(),
            },
        )
    }
}

async fn sync(fake: &Fake) -> Result<Plan, TableError> {
    let applier = fake.applier();
    let plan = applier.plan(&desired()).await?;
    applier.apply(&desired(), &plan).await?;
    Ok(plan)
}

#[tokio::test]
async fn one_restore_does_it_all() {
    let fake = Fake::with("", &[(Ok(()), &in_place())]);
    sync(&fake).await.unwrap();
    let restores = fake.restores();
    assert_eq!(restores.len(), 1);
    assert!(restores[0].starts_with("t-restore --noflush -w 10\n*filter\n"));
    assert!(restores[0].contains("COMMIT\n*nat\n"));
}

#[tokio::test]
async fn what_is_right_is_not_written() {
    let fake = Fake::with(&in_place(), &[]);
    assert_eq!(sync(&fake).await.unwrap(), Plan::default());
    assert_eq!(fake.restores(), Vec::<String>::new());
}

#[tokio::test]
async fn somebody_faster_is_planned_again_once() {
    let race = Err("t-restore: line 2 failed: Bad rule".to_owned());
    let moved = in_place().replace(
        "-A FORWARD -m comment",
        "-A FORWARD -j X\n-A FORWARD -m comment",
    );
    let gone: String = moved
        .lines()
        .filter(|l| !l.ends_with("-j RCNI-FORWARD"))
        .map(|l| format!("{l}\n"))
        .collect();
    let fake = Fake::with(&moved, &[(race, &gone), (Ok(()), &in_place())]);
    let applier = fake.applier();
    let plan = applier.plan(&desired()).await.unwrap();
    let found = applier.apply(&desired(), &plan).await.unwrap();
    assert_eq!(
        found.len(),
        2,
        "what came in between is told too: {found:?}"
    );
    assert_eq!(fake.restores().len(), 2);
}

#[tokio::test]
async fn rules_that_do_not_hold_are_reported_and_not_fought_over() {
    let fake = Fake::with("", &[(Ok(()), ""), (Ok(()), "")]);
    let error = sync(&fake).await.unwrap_err();
    assert!(matches!(error, TableError::NotHeld(_)), "{error}");
    assert_eq!(fake.restores().len(), 2);
}

#[tokio::test]
async fn a_kernel_without_masquerade_is_named_by_the_refused_line() {
    let said = "iptables-nft-restore v1.8.9 (nf_tables): \nline 11: RULE_APPEND failed (No such file or directory): rule in chain RCNI-POSTROUTING";
    let fake = Fake::with("", &[(Err(said.to_owned()), "")]);
    let error = sync(&fake).await.unwrap_err().to_string();
    assert!(error.contains("-s 10.244.1.0/24"), "{error}");
    assert!(error.contains("xt_MASQUERADE"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    assert_eq!(fake.restores().len(), 1);
}

#[tokio::test]
async fn a_table_that_iptables_cannot_show_is_named_and_left() {
    let fake = Fake::with("# Table `nat' is incompatible, use 'nft' tool.\n", &[]);
    let error = sync(&fake).await.unwrap_err().to_string();
    assert!(
        error.starts_with("table nat has rules that iptables cannot show"),
        "{error}"
    );
}

const NFT: &str = "iptables v1.8.9 (nf_tables)\n";
const LEGACY: &str = "iptables v1.8.9 (legacy)\n";
const EMPTY: &str = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n";
const USED: &str = "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n-A FORWARD -j DOCKER\nCOMMIT\n";

async fn auto(list: &[(&str, &str, &str)]) -> backend::Choice {
    let fake = Fake::programs(list);
    backend::choose(&fake, Family::V4, IptablesBackend::Auto, None)
        .await
        .unwrap()
}

#[tokio::test]
async fn auto_goes_where_the_other_rules_are() {
    for (nft, legacy, default, store, both) in [
        (EMPTY, EMPTY, NFT, Store::Nft, false),
        (EMPTY, EMPTY, LEGACY, Store::Legacy, false),
        (EMPTY, USED, NFT, Store::Legacy, false),
        (USED, EMPTY, LEGACY, Store::Nft, false),
        (USED, USED, LEGACY, Store::Legacy, true),
    ] {
        let choice = auto(&[
            ("iptables", default, ""),
            ("iptables-nft", NFT, nft),
            ("iptables-legacy", LEGACY, legacy),
        ])
        .await;
        assert_eq!(choice.backend.store, store, "{default} {nft} {legacy}");
        assert_eq!(choice.both_used, both);
        assert_eq!(choice.backend.restore, format!("iptables-{store}-restore"));
    }
}

#[tokio::test]
async fn own_rules_do_not_count_but_are_stayed_with() {
    let own = in_place()
        .replace("-A FORWARD -s", "# ")
        .replace("-A POSTROUTING -s", "# ");
    let choice = auto(&[
        ("iptables", NFT, ""),
        ("iptables-nft", NFT, EMPTY),
        ("iptables-legacy", LEGACY, &own),
    ])
    .await;
    assert_eq!(choice.backend.store, Store::Legacy);
    let choice = auto(&[
        ("iptables", NFT, ""),
        ("iptables-nft", NFT, USED),
        ("iptables-legacy", LEGACY, &own),
    ])
    .await;
    assert_eq!(choice.backend.store, Store::Nft);
    assert!(choice.other_has_own);
}

#[tokio::test]
async fn a_node_with_one_iptables_uses_that() {
    let choice = auto(&[("iptables", NFT, EMPTY)]).await;
    assert_eq!(choice.backend.save, "iptables-save");
    assert_eq!(choice.other, None);
    // 1.6 did not say which it is.
    let choice = auto(&[("iptables", "iptables v1.6.1\n", EMPTY)]).await;
    assert_eq!(choice.backend.store, Store::Legacy);
}

#[tokio::test]
async fn missing_programs_are_named_with_their_package() {
    let fake = Fake::programs(&[("iptables", NFT, EMPTY)]);
    let error = backend::choose(&fake, Family::V4, IptablesBackend::Legacy, None)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no iptables-legacy on this node: install the package iptables"
    );
    let error = backend::choose(&Fake::default(), Family::V4, IptablesBackend::Auto, None)
        .await
        .unwrap_err();
    assert!(matches!(error, TableError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn a_store_counts_as_empty_only_if_the_kernel_does_not_have_it() {
    let with = |legacy| {
        let legacy = ("iptables-legacy", LEGACY, legacy);
        Fake::programs(&[("iptables", NFT, ""), ("iptables-nft", NFT, EMPTY), legacy])
    };
    let absent = with("FAILS Cannot initialize: Table does not exist (do you need to insmod?)");
    let choice = backend::choose(&absent, Family::V4, IptablesBackend::Auto, None).await;
    assert_eq!(choice.unwrap().backend.store, Store::Nft);
    let busy = with("FAILS Resource temporarily unavailable");
    let error = backend::choose(&busy, Family::V4, IptablesBackend::Auto, None).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("iptables-legacy-save cannot read"),
        "{error}"
    );
    assert_eq!(backend::all(&busy, Family::V4).await.unwrap().len(), 2);
}

#[tokio::test]
async fn ipv6_has_programs_of_its_own_and_goes_beside_ipv4_where_nobody_says() {
    let node = |nft, legacy| {
        Fake::programs(&[
            ("iptables", NFT, ""),
            ("ip6tables", NFT, ""),
            ("ip6tables-nft", NFT, nft),
            ("ip6tables-legacy", LEGACY, legacy),
        ])
    };
    for (nft, legacy, hint, store) in [
        (EMPTY, EMPTY, None, Store::Nft),
        (EMPTY, EMPTY, Some(Store::Legacy), Store::Legacy),
        (EMPTY, USED, Some(Store::Nft), Store::Legacy),
        (USED, EMPTY, Some(Store::Legacy), Store::Nft),
    ] {
        let fake = node(nft, legacy);
        let choice = backend::choose(&fake, Family::V6, IptablesBackend::Auto, hint).await;
        let chosen = choice.unwrap().backend;
        assert_eq!(
            (chosen.family, chosen.store),
            (Family::V6, store),
            "{hint:?}"
        );
        assert_eq!(chosen.to_string(), format!("ip6tables-{store}"));
        assert_eq!(chosen.save, format!("ip6tables-{store}-save"));
    }
    let only_ipv4 = Fake::programs(&[("iptables", NFT, EMPTY)]);
    let missing = backend::choose(&only_ipv4, Family::V6, IptablesBackend::Auto, None).await;
    assert_eq!(
        missing.unwrap_err().to_string(),
        "there is no ip6tables on this node: install the package iptables"
    );
    assert_eq!(backend::all(&only_ipv4, Family::V6).await.unwrap(), []);
}

#[tokio::test]
async fn a_family_without_pods_is_swept_and_may_be_missing() {
    let nft = ("ip6tables-nft", NFT, &*in_place());
    let fake = Fake::programs(&[("ip6tables", NFT, ""), nft]);
    fake.inner.lock().unwrap().restores = vec![(Ok(()), String::new())];
    let (done, failures) = sweep(&fake, Family::V6).await;
    assert!(failures.is_empty(), "{failures:?}");
    assert!(
        done.iter()
            .all(|what| what.starts_with("ip6tables-nft, IPv6 table "))
            && done.len() == 4,
        "{done:?}"
    );
    let absent = "FAILS ip6tables-nft-save: Failed to initialize nft: Protocol not supported";
    for node in [
        Fake::default(),
        Fake::programs(&[("ip6tables", NFT, ""), ("ip6tables-nft", NFT, absent)]),
    ] {
        let (done, failures) = sweep(&node, Family::V6).await;
        assert!(done.is_empty() && failures.is_empty(), "{failures:?}");
    }
}
