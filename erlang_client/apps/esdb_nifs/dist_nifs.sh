#!/bin/sh
# Puts what build_native.sh built into priv/<triple>/, with its checksum.
set -eu
cd "$(dirname "$0")"
triple=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "priv/$triple"
cp priv/esdb_nifs.so priv/esdb_nifs.so.sha256 "priv/$triple/"
echo "priv/$triple/esdb_nifs.so"
cat "priv/$triple/esdb_nifs.so.sha256"
