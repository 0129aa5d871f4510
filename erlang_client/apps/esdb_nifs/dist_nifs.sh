#!/bin/sh
# Puts what build_native.sh built into priv/<triple>/, with the checksum that the loader compares.
set -eu
cd "$(dirname "$0")"
triple=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "priv/$triple"
cp priv/esdb_nifs.so "priv/$triple/esdb_nifs.so"
(cd "priv/$triple" && { sha256sum esdb_nifs.so 2>/dev/null || shasum -a 256 esdb_nifs.so; } > esdb_nifs.so.sha256)
echo "priv/$triple/esdb_nifs.so"
cat "priv/$triple/esdb_nifs.so.sha256"
