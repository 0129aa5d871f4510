#!/bin/sh
# Compiler, xref and dialyzer over the Erlang sources; warnings are errors. The first run analyses OTP, which takes a minute.
set -eu
cd "$(dirname "$0")"
exec rebar3 as lint do compile, xref, dialyzer
