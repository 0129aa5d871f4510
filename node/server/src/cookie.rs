//! Where the cluster's secret comes from, by the rules of Erlang's `auth` module.

use anyhow::{Context, Result, bail};
use esdb_dist::Cookie;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The cookie given, else the one in the file given, else the one in `~/.erlang.cookie`.
pub(crate) fn load(cookie: Option<&str>, file: Option<&Path>) -> Result<Cookie> {
    match (cookie, file) {
        (Some(cookie), _) => check(cookie, "the cookie given"),
        (None, Some(file)) => read(file),
        (None, None) => {
            let home = home_file()?;
            match read(&home) {
                Err(error) if is_missing(&error) => create(&home),
                result => result,
            }
        }
    }
}

fn home_file() -> Result<PathBuf> {
    let home = std::env::var_os("HOME")
        .context("no cookie: HOME is not set; give --cookie-file or --cookie")?;
    Ok(Path::new(&home).join(".erlang.cookie"))
}

fn is_missing(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == ErrorKind::NotFound)
}

fn read(path: &Path) -> Result<Cookie> {
    let what = format!("the cookie file {}", path.display());
    let mode = fs::metadata(path)
        .with_context(|| what.clone())?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        bail!(
            "{what} can be read by others (mode {:o}); run: chmod 400 {}",
            mode & 0o777,
            path.display()
        );
    }
    let text = fs::read_to_string(path).with_context(|| what.clone())?;
    check(text.trim_end_matches(['\n', '\r']), &what)
}

fn check(cookie: &str, what: &str) -> Result<Cookie> {
    match cookie.len() {
        0 => bail!("{what} is empty"),
        1..=255 => Ok(Cookie::new(cookie)),
        len => bail!("{what} has {len} bytes; a cookie is an atom of at most 255"),
    }
}

/// Makes a cookie file as a BEAM node would: 20 random capital letters, readable by its owner.
fn create(path: &Path) -> Result<Cookie> {
    let mut random = [0u8; 20];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let cookie: String = random
        .iter()
        .map(|byte| char::from(b'A' + byte % 26))
        .collect();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(path)
        .with_context(|| format!("the cookie file {} cannot be made", path.display()))?;
    file.write_all(cookie.as_bytes())?;
    Ok(Cookie::new(&cookie))
}
