//! The server: `rs-esdb start` joins a BEAM cluster and serves its stores, `rs-esdb status` asks a
//! running one how it is, `rs-esdb verify` checks the files of one that does not run.
//!
//! # Layout
//! - `cli`: the command line
//! - `config`: flags, environment, file and defaults made one; `limits`: the part that limits others
//! - `cookie`: where the cluster's secret comes from
//! - `open_files`: how many stores there may be
//! - `start`, `status`, `verify`: the commands

mod cli;
mod config;
mod cookie;
mod limits;
mod open_files;
mod start;
mod status;
mod verify;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match cli::Cli::parse().command {
        cli::Command::Start(options) => start::run(*options),
        cli::Command::Status(options) => status::run(options),
        cli::Command::Verify(options) => return verify::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rs-esdb: {error:#}");
            ExitCode::FAILURE
        }
    }
}
