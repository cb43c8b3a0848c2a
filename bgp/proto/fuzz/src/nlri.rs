//! A field of prefixes: the first octet chooses the family (bit 0), and whether they have path
//! identifiers (bit 1).

use bytes::BytesMut;
use rcni_bgp_proto::wire::nlri;

/// Decode, encode, decode: the same. No prefix has host bits, and the field bounds their number.
pub fn run(data: &[u8]) {
    let Some((choice, field)) = data.split_first() else {
        return;
    };
    let afi = if choice & 1 == 0 { 1 } else { 2 };
    let add_path = choice & 2 != 0;
    let Ok(all) = nlri::parse(field, afi, add_path) else {
        return;
    };
    assert!(all.len() <= field.len());
    let mut out = BytesMut::new();
    for one in &all {
        assert_eq!(one.prefix.ip(), one.prefix.network());
        assert_eq!(one.prefix.is_ipv4(), afi == 1);
        assert!(add_path || one.path_id == 0);
        let before = out.len();
        nlri::put(one, add_path, &mut out);
        assert_eq!(out.len() - before, nlri::wire_len(one, add_path));
    }
    // As long as before: only host bits can differ.
    assert_eq!(out.len(), field.len());
    assert_eq!(nlri::parse(&out, afi, add_path).expect("own octets"), all);
}
