# Each target is one command. `make help` lists them.

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 15

setup:  ## install Erlang/OTP, Elixir and rebar3 from Debian's packages, where missing
	tests/bin/setup

build:  ## the server: target/release/rs-esdb
	cargo build --release --locked -p rs-esdb

demo: setup build  ## the main job on real input, with figures
	tests/demo/run

test: setup  ## everything that continuous integration checks
	tests/bin/test

test-otp: setup  ## the Erlang suites on newer OTP releases, in root file systems of their own; as root
	tests/bin/test-otp

run: build  ## start a server; options in ARGS
	target/release/rs-esdb start $(ARGS)

bench: setup build  ## throughput and latency, beside what the machine can do
	tests/bench/run

torture: setup build  ## kill -9 under load, 100 times in a row; then the engine alone, for long
	tests/torture/run
	tests/torture/engine

fuzz:  ## fuzz each target for a million executions; needs cargo-fuzz and the nightly toolchain
	tests/fuzz/run

lint:  ## formatting, clippy, xref and dialyzer, warnings as errors
	tests/bin/lint

fmt:  ## format the Rust sources
	cargo fmt --all

include native/native.mk

.PHONY: help setup build demo test test-otp run bench torture fuzz lint fmt
