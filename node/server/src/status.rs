//! `rs-esdb status`.

use crate::cli::StatusOptions;
use crate::config;
use anyhow::{Context, Result, bail};
use esdb_dist::{Cookie, Node};
use esdb_etf::{Term, put};
use std::fmt::Write;
use std::time::Duration;

/// How long the server has for its answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks the running server and prints what it says.
pub(crate) fn run(options: StatusOptions) -> Result<()> {
    let (name, cookie) = config::cluster(options.cluster)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        tokio::time::timeout(DEADLINE, ask(&name, cookie))
            .await
            .with_context(|| format!("{name} did not answer within {} s", DEADLINE.as_secs()))?
    })?;
    let info = Term::parse(&answer).context("the answer is no term")?;
    let (text, all_serve) =
        describe(info).context("the answer is not what this version expects")?;
    print!("{text}");
    match all_serve {
        true => Ok(()),
        false => bail!("a store does not serve, or another server offers one of its name"),
    }
}

/// `rs_esdb:info/0` of the server, asked as a node of its cluster that nobody else gets to know.
async fn ask(server: &str, cookie: Cookie) -> Result<Vec<u8>> {
    let host = server.split_once('@').map_or("localhost", |(_, host)| host);
    let ours = format!("rs_esdb_status_{}@{host}", std::process::id());
    let mut config = esdb_dist::Config::new(&ours, cookie);
    config.epmd_port = config::epmd_port()?;
    config.register = false;
    let node = Node::start(config).await?;
    node.connect(server).await.with_context(|| {
        format!(
            "{server} cannot be reached; is it running, with this cookie? (--name names another)"
        )
    })?;
    let mut no_arguments = Vec::new();
    put::nil(&mut no_arguments);
    let answer = node.call(server, "rs_esdb", "info", &no_arguments).await?;
    node.shutdown().await;
    Ok(answer)
}

/// The answer as lines, and whether every store serves undisputed.
fn describe(info: Term<'_>) -> Option<(String, bool)> {
    let info = info.as_map()?;
    let mut text = format!("node     {}\n", show(info.get("node")?));
    let _ = writeln!(text, "version  {}", show(info.get("version")?));
    let mut all_serve = true;
    for store in info.get("stores")?.as_proper_list()? {
        let store = store.as_map()?;
        all_serve &= store.get("state")?.is_atom("serving");
        all_serve &= store.get("conflict")?.is_atom("undefined");
        let _ = writeln!(text, "store    {}", show(store.get("name")?));
        for (key, value) in store.filter(|(key, _)| !key.is_atom("name")) {
            if !value.is_atom("undefined") {
                let _ = writeln!(text, "  {:<17}{}", show(key), show(value));
            }
        }
    }
    Some((text, all_serve))
}

/// A name, text or number as text.
fn show(term: Term<'_>) -> String {
    if let Some(atom) = term.as_atom() {
        return atom.text().into_owned();
    }
    match (term.as_binary(), term.as_i64()) {
        (Some(text), _) => String::from_utf8_lossy(text).into_owned(),
        (None, Some(number)) => number.to_string(),
        (None, None) => format!("{term:?}"),
    }
}
