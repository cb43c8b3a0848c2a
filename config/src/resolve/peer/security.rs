//! Signatures. No error here shows a secret.

use std::collections::HashMap;

use crate::password::PasswordError;
use crate::raw::{
    AoAlgorithmSpec, BGPPeerSpec, Int, Located, Place, Secret, TcpAoKeySpec, TcpAoSpec,
};
use crate::resolve::subject::Subject;
use crate::{AoAlgorithm, AoKey, Password, Security};

/// More are refused: a key that is in use, its successor, and some to spare.
const MAX_KEYS: usize = 8;

pub(super) fn security(subject: &mut Subject<'_>, spec: &BGPPeerSpec) -> Security {
    let password = spec.password.as_ref();
    let md5 = password.and_then(|given| secret(subject, "spec.password", given));
    let ao = spec
        .tcp_ao
        .as_ref()
        .map(|given| keys(subject, &given.value));
    if let (Some(_), Some(given)) = (password, &spec.tcp_ao) {
        let reason = "does not go with password: a session has signatures of one kind";
        let hint = "remove password once the neighbour has the keys, too, or remove tcpAO";
        subject.refuse(given.place, "spec.tcpAO", reason, hint);
    }
    match (ao, md5) {
        (Some(keys), _) => Security::Ao(keys),
        (None, Some(password)) => Security::Md5(password),
        (None, None) => Security::None,
    }
}

fn secret(subject: &mut Subject<'_>, path: &str, given: &Located<Secret>) -> Option<Password> {
    let (error, hint) = match Password::new(&given.value.0) {
        Ok(password) => return Some(password),
        Err(error @ PasswordError::Empty) => (error, "write the neighbour's, or remove the field"),
        Err(error @ PasswordError::TooLong(_)) => (error, "agree on one of 1 to 80 bytes"),
        Err(error @ PasswordError::Control) => (error, "write it in one line, in quotes"),
    };
    subject.refuse(given.place, path, &error.to_string(), hint);
    None
}

fn keys(subject: &mut Subject<'_>, spec: &TcpAoSpec) -> Vec<AoKey> {
    let path = "spec.tcpAO.keys";
    let given = &spec.keys;
    if given.value.is_empty() {
        let hint = "write at least one key, or remove tcpAO";
        subject.refuse(given.place, path, "is empty", hint);
    }
    if given.value.len() > MAX_KEYS {
        let reason = format!("has {} keys", given.value.len());
        let hint = format!("keep at most {MAX_KEYS}: what is in use, and what comes next");
        subject.refuse(given.place, path, &reason, &hint);
    }
    let mut sent = HashMap::new();
    let mut received = HashMap::new();
    let mut keys = Vec::new();
    for (index, given) in given.value.iter().enumerate().take(MAX_KEYS) {
        let path = format!("{path}[{index}]");
        let spec = &given.value;
        let send_id = id(subject, &format!("{path}.sendID"), spec.send_id, &mut sent);
        let path_received = &format!("{path}.receiveID");
        let receive_id = id(subject, path_received, spec.receive_id, &mut received);
        let secret = secret(subject, &format!("{path}.secret"), &spec.secret);
        if let (Some(send_id), Some(receive_id), Some(secret)) = (send_id, receive_id, secret) {
            keys.push(AoKey {
                send_id,
                receive_id,
                algorithm: algorithm(spec),
                secret,
            });
        }
    }
    keys
}

fn algorithm(spec: &TcpAoKeySpec) -> AoAlgorithm {
    match spec.algorithm {
        AoAlgorithmSpec::HmacSha1 => AoAlgorithm::HmacSha1,
        AoAlgorithmSpec::Aes128Cmac => AoAlgorithm::Aes128Cmac,
    }
}

/// RFC 5925 §3.1: for one connection, an ID names one key.
fn id(
    subject: &mut Subject<'_>,
    path: &str,
    given: Located<Int>,
    seen: &mut HashMap<u8, Place>,
) -> Option<u8> {
    let id = subject.number(path, Some(given), 0..=u8::MAX, 0);
    if i64::from(id) != given.value.0 || subject.is_unread(path) {
        return None;
    }
    if let Some(other) = seen.get(&id) {
        let reason = format!(
            "{id} is already the ID of another key{}",
            subject.whereabouts(*other)
        );
        subject.refuse(given.place, path, &reason, "give each key its own");
        return None;
    }
    seen.insert(id, given.place);
    Some(id)
}
