//! The tests of `routers.rs` with newer routers: FRR 10, BIRD 3, GoBGP and OpenBGPD of Debian's
//! trixie and sid.
//!
//! This target is not part of a plain test run, which would need two more trees: `make test-long`
//! builds them and runs it by its name. Without the trees it fails.

mod common;
mod tor;
mod unnumbered_fabric;

tor::tests_of!(trixie, Suite::Trixie);
tor::tests_of!(sid, Suite::Sid);

/// `containerlab/unnumbered` with newer routers.
mod unnumbered {
    use anyhow::Result;

    use crate::unnumbered_fabric as fabric;

    #[test]
    fn frr_of_trixie() -> Result<()> {
        fabric::everything("10.3.0")
    }

    #[test]
    fn frr_of_sid() -> Result<()> {
        fabric::everything("10.7.1")
    }

    #[test]
    fn bird_of_trixie() -> Result<()> {
        fabric::bird("3.1.7")
    }

    #[test]
    fn bird_of_sid() -> Result<()> {
        fabric::bird("3.4.0")
    }
}
