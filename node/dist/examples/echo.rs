//! A node with one process, `echo`, that answers each `gen_server:call` with what it was asked.
//!
//! `cargo run --example echo -- echo@127.0.0.1 COOKIE`, then on a BEAM node with that cookie
//! `gen_server:call({echo, 'echo@127.0.0.1'}, hello)`.
#![allow(clippy::print_stdout)]

use esdb_dist::gen_server::{self, Request};
use esdb_dist::{Config, Cookie, Node, Origin, Process};
use esdb_etf::Term;
use std::error::Error;
use std::sync::Arc;

struct Echo;

impl Process for Echo {
    fn message(&self, origin: &Origin<'_>, message: Term<'_>) {
        if let Request::Call { from, request } = gen_server::parse(message) {
            let caller = from.to_caller();
            caller.reply(origin.connection, true, |out| {
                out.extend_from_slice(request.as_bytes());
            });
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(cookie)) = (arguments.next(), arguments.next()) else {
        return Err("give a node name and a cookie".into());
    };
    let mut config = Config::new(&name, Cookie::new(&cookie));
    if let Ok(port) = std::env::var("ERL_EPMD_PORT") {
        config.epmd_port = port.parse()?;
    }
    let node = Node::start(config).await?;
    let echo = node.spawn(Arc::new(Echo));
    node.register("echo", &echo);
    println!("{} answers; end it with Ctrl-C", node.name());
    tokio::signal::ctrl_c().await?;
    node.shutdown().await;
    Ok(())
}
