#!/usr/bin/env bash
# Builds the commands of this module: build.sh OUTPUT COMMAND. No cgo, no paths and no debug data in the result.
set -euo pipefail
output=$1 command=$2
cd "$(dirname "$0")"

version=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' go.mod)
IFS=. read -r major minor _ <<<"${version#v}"
# Without these the server calls itself "v0.0.0-master+$Format:%H$", which clients cannot parse.
stamp=k8s.io/component-base/version
flags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"
flags+=" -X $stamp.gitCommit=published-modules -X $stamp.gitTreeState=clean -X $stamp.buildDate=1970-01-01T00:00:00Z"

CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$output.partial" "./$command"
mv "$output.partial" "$output"
