#!/bin/sh
# Builds the NIF library with cargo and puts it into priv/. Without "force": only when it is missing, and silently
# nothing when there is no Rust toolchain or no source of the library, since the pure Erlang twins serve then.
set -eu
cd "$(dirname "$0")"
native=../../../native
if [ "${1:-}" != force ]; then
    for checksum in priv/esdb_nifs.so.sha256 priv/*/esdb_nifs.so.sha256; do
        [ -e "$checksum" ] && exit 0
    done
    { command -v cargo >/dev/null && [ -d "$native" ]; } || exit 0
fi
case "$(uname -s)" in Darwin) built=libesdb_nifs.dylib ;; *) built=libesdb_nifs.so ;; esac
target=$(cd "$native" && cargo metadata --format-version 1 --no-deps --offline 2>/dev/null |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
(cd "$native" && cargo build --release --locked -p esdb-native)
mkdir -p priv
# A running emulator has the old file mapped: replace it, do not write into it.
cp "$target/release/$built" priv/.esdb_nifs.new
[ "$(uname -s)" = Darwin ] || ! command -v strip >/dev/null || strip --strip-debug priv/.esdb_nifs.new
mv priv/.esdb_nifs.new priv/esdb_nifs.so
# The loader compares it.
(cd priv && { sha256sum esdb_nifs.so 2>/dev/null || shasum -a 256 esdb_nifs.so; } > esdb_nifs.so.sha256)
