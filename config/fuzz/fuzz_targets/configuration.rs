#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rcni_config_fuzz::configuration::run(data));
