//! What a peer says in a handshake, with its lengths; the first byte chooses the side. Nothing panics,
//! and memory is in proportion to the bytes.
#![no_main]
#![allow(dead_code)] // the module is made for more than this

#[path = "../../../node/dist/tests/common/echo.rs"]
mod echo;
#[path = "../../../node/dist/tests/common/listener.rs"]
mod listener;

use listener::Listener;

thread_local! {
    static LISTENER: Listener = Listener::new(1 << 20);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((side, said)) = bytes.split_first() {
        let shaken = LISTENER.with(|listener| listener.shake(side % 2 == 0, said));
        assert!(shaken.is_err(), "nobody foresees the challenge");
    }
});
