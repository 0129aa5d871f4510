//! One frame of a peer: control message and message. Nothing panics, memory is in proportion to the
//! frame, and what is sent in answer are frames.
#![no_main]
#![allow(dead_code)] // the module is made for more than this

#[path = "../../../node/dist/tests/common/echo.rs"]
mod echo;
#[path = "../../../node/dist/tests/common/listener.rs"]
mod listener;

use listener::Listener;
use std::cell::RefCell;

thread_local! {
    static LISTENER: RefCell<Listener> = RefCell::new(Listener::new(72 << 20));
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _taken = LISTENER.with_borrow_mut(|listener| listener.frame(bytes));
});
