#!/bin/sh
# The suites of esdb_nifs, with the library and without it.
set -eu
cd "$(dirname "$0")/../.."
modules=$(cd apps/esdb_nifs/test && ls ./*_tests.erl | sed 's|^\./||; s|\.erl$||' | paste -sd, -)
for native in on off; do
    echo "== esdb_nifs, library $native"
    ESDB_NIFS=$native rebar3 eunit --module "$modules"
done
