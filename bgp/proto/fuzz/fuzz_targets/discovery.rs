#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rcni_bgp_proto_fuzz::discovery::run(data));
