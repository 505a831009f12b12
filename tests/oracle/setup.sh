#!/usr/bin/env bash
# Builds the oracle (Kubernetes' own answers, see main.go) that `cargo test --test differential -- --ignored` asks, and prints
# its path. Needs Go >= 1.26. Running it again costs a moment: the result is kept outside the work tree, in
# $COUNTERSIGN_TEST_CACHE (by default ~/.cache/countersign-tests), under a name made of what the sources hold.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cache=${COUNTERSIGN_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/countersign-tests}
mkdir -p "$cache"
exec 9>"$cache/.oracle-lock"
flock 9

target=$cache/oracle-$(sha256sum go.mod go.sum ./*.go | sha256sum | cut -c1-12)
if [[ ! -x $target ]]; then
    printf 'setup: building the oracle (the first time it takes one to two minutes of two cores)\n' >&2
    rm -f "$cache"/oracle-*
    CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" -o "$target.partial" . >&2
    mv "$target.partial" "$target"
fi
ln -sfn "$target" "$cache/oracle"
printf '%s\n' "$target"
