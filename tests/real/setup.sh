#!/usr/bin/env bash
# Installs and builds the real components that `cargo test --test real -- --ignored` runs against: etcd, kube-apiserver,
# kubectl, oidc-provider, glewlwyd, Chromium, Prometheus and a keyring. For Debian 12, as root, with Node.js >= 20 and Go >= 1.26 present. No prompts,
# nothing is started, and running it again costs a second.
#
# Everything that is not a Debian package goes to a folder outside the work tree, so that a fresh clone finds it:
# $COUNTERSIGN_TEST_CACHE, by default ~/.cache/countersign-tests. The tests read where things are from its file `env`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${COUNTERSIGN_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/countersign-tests}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# One set-up at a time: two concurrent runs would build everything twice.
exec 9>"$cache/.lock"
flock 9

missing=()
say() { printf '%s\n' "setup: $*" >&2; }
lack() {
    missing+=("$1")
    say "CANNOT HAVE $1"
}

# keyed PREFIX FILE...: PREFIX-<hash of what the files hold>, so that a change of any of them makes a new name.
keyed() {
    local prefix=$1
    shift
    printf '%s-%s' "$prefix" "$(cd "$here" && sha256sum "$@" | sha256sum | cut -c1-12)"
}

debian_packages() {
    local wanted=(ca-certificates etcd-server glewlwyd dbconfig-no-thanks sqlite3 rnbyc chromium-driver gnome-keyring dbus bsdutils faketime fonts-dejavu-core prometheus) absent=() policy=/usr/sbin/policy-rc.d package
    for package in "${wanted[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || absent+=("$package")
    done
    if ((${#absent[@]} == 0)); then return; fi
    say "installing ${absent[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Left to itself the package writes a configuration for a database server, and fails when there is none.
    debconf-set-selections <<<'glewlwyd glewlwyd/config_type select No configuration' || return
    # 101 is "action forbidden": installing a package must not start its service.
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt-get update -qq || return
    apt-get install -y -qq --no-install-recommends "${absent[@]}" >&2
}

# go_command NAME: builds kube/NAME into the cache unless this version is there, and prints its path.
go_command() {
    local name=$1 version target
    version=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/kube/go.mod")
    target=$cache/$(keyed "$name-$version" kube/go.mod kube/go.sum kube/build.sh "kube/$name/main.go")
    if [[ ! -x $target ]]; then
        say "building $name $version (the first time kube-apiserver takes five to ten minutes of two cores)"
        rm -f "$cache/$name-v"*
        "$here/kube/build.sh" "$target" "$name" >&2 || return
    fi
    printf '%s' "$target"
}

# schema NAME: builds schemas/NAME, which reads documents as another project's own code does, and prints its path.
schema() {
    local name=$1 target
    target=$cache/$(keyed "schema-$name" schemas/go.mod schemas/go.sum "schemas/$name/main.go")
    if [[ ! -x $target ]]; then
        say "building the reader of $name documents"
        rm -f "$cache/schema-$name-"*
        (cd "$here/schemas" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o "$target.partial" "./$name") >&2 ||
            return
        mv "$target.partial" "$target"
    fi
    printf '%s' "$target"
}

# module_file MODULE@VERSION PATH NAME: copies a file of a Go module into the cache, and prints where it is.
module_file() {
    local module=$1 path=$2 target=$cache/$3-${1##*@} folder
    if [[ ! -f $target ]]; then
        folder=$(cd "$here/schemas" && go mod download -json "$module" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p') || return
        cp "$folder/$path" "$target.partial" && chmod 0644 "$target.partial" && mv "$target.partial" "$target" || return
    fi
    printf '%s' "$target"
}

# go_tool PACKAGE@VERSION: installs a published command into the cache, and prints its path.
go_tool() {
    local package=$1 folder
    folder=$cache/$(basename "${package%@*}")-${package##*@}
    if [[ ! -d $folder ]]; then
        say "building $package"
        rm -rf "$folder.partial" "$cache/$(basename "${package%@*}")-v"*
        GOBIN=$folder.partial CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' "$package" >&2 || return
        mv "$folder.partial" "$folder"
    fi
    printf '%s' "$folder/$(basename "${package%@*}")"
}

# Prints the folder of modules that oidc-provider/package-lock.json pins.
node_modules() {
    local target
    target=$cache/$(keyed oidc-provider oidc-provider/package.json oidc-provider/package-lock.json)
    if [[ ! -d $target ]]; then
        say "installing oidc-provider"
        rm -rf "$cache/oidc-provider-"*
        mkdir "$target.partial"
        cp "$here"/oidc-provider/{package.json,package-lock.json,.npmrc} "$target.partial" || return
        npm ci --prefix "$target.partial" --ignore-scripts --no-audit --no-fund >&2 || return
        mv "$target.partial" "$target"
    fi
    printf '%s' "$target/node_modules"
}

debian_packages || lack "the Debian packages (see the messages above)"
etcd=$(command -v etcd) || lack "etcd (Debian package etcd-server)"
glewlwyd=$(command -v glewlwyd) || lack "glewlwyd (Debian package glewlwyd)"
rnbyc=$(command -v rnbyc) || lack "rnbyc (Debian package rnbyc)"
sqlite3=$(command -v sqlite3) || lack "sqlite3 (Debian package sqlite3)"
chromedriver=$(command -v chromedriver) || lack "chromedriver (Debian package chromium-driver)"
keyring=$(command -v gnome-keyring-daemon) || lack "gnome-keyring-daemon (Debian package gnome-keyring)"
dbus=$(command -v dbus-daemon) || lack "dbus-daemon (Debian package dbus)"
faketime=$(command -v faketime) || lack "faketime (Debian package faketime)"
prometheus=$(command -v prometheus) || lack "prometheus (Debian package prometheus)"
promtool=$(command -v promtool) || lack "promtool (Debian package prometheus)"
script=$(command -v script) || lack "script (Debian package bsdutils)"
node=$(command -v node) || lack "node (Node.js 20 or newer)"
modules=$(node_modules) || lack "oidc-provider (npm)"
apiserver=$(go_command kube-apiserver) || lack "kube-apiserver (Go module proxy)"
delegate=$(go_command delegate) || lack "the delegating client (Go module proxy)"
kubeadm=$(go_command kubeadm-config) || lack "the reader of kubeadm's configuration (Go module proxy)"
kind=$(schema kind) || lack "the reader of kind's configuration (Go module proxy)"
talos=$(schema talos) || lack "the reader of Talos' configuration (Go module proxy)"
control_plane=$(module_file sigs.k8s.io/cluster-api@v1.14.2 \
    controlplane/kubeadm/config/crd/bases/controlplane.cluster.x-k8s.io_kubeadmcontrolplanes.yaml kubeadmcontrolplanes.yaml) ||
    lack "the schema of Cluster API's control planes (Go module proxy)"
dashboard=$(schema grafana) || lack "the reader of Grafana's dashboards (Go module proxy)"
operator=github.com/prometheus-operator/prometheus-operator@v0.80.1
crds=example/prometheus-operator-crd/monitoring.coreos.com_
monitor=$(module_file $operator ${crds}servicemonitors.yaml servicemonitors.yaml) ||
    lack "the schema of service monitors (Go module proxy)"
rule=$(module_file $operator ${crds}prometheusrules.yaml prometheusrules.yaml) ||
    lack "the schema of Prometheus rules (Go module proxy)"
helm=$(go_tool helm.sh/helm/v4/cmd/helm@v4.3.1) || lack "helm (Go module proxy)"
kubeconform=$(go_tool github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0) || lack "kubeconform (Go module proxy)"
kubectl=$(command -v kubectl || go_command kubectl) || lack "kubectl"

cat >"$cache/env.partial" <<END
ETCD=${etcd:-}
GLEWLWYD=${glewlwyd:-}
RNBYC=${rnbyc:-}
SQLITE3=${sqlite3:-}
CHROMEDRIVER=${chromedriver:-}
GNOME_KEYRING_DAEMON=${keyring:-}
DBUS_DAEMON=${dbus:-}
FAKETIME=${faketime:-}
PROMETHEUS=${prometheus:-}
PROMTOOL=${promtool:-}
SCRIPT=${script:-}
NODE=${node:-}
NODE_MODULES=${modules:-}
KUBE_APISERVER=${apiserver:-}
DELEGATE=${delegate:-}
KUBECTL=${kubectl:-}
KUBEADM_CONFIG=${kubeadm:-}
SCHEMA_KIND=${kind:-}
SCHEMA_TALOS=${talos:-}
SCHEMA_GRAFANA=${dashboard:-}
CRD_KUBEADM_CONTROL_PLANE=${control_plane:-}
CRD_SERVICE_MONITOR=${monitor:-}
CRD_PROMETHEUS_RULE=${rule:-}
HELM=${helm:-}
KUBECONFORM=${kubeconform:-}
END
mv "$cache/env.partial" "$cache/env"

if ((${#missing[@]} > 0)); then
    say "INCOMPLETE, without:"
    printf '  %s\n' "${missing[@]}" >&2
    say "tests that need what is missing will fail, and say so"
    exit 1
fi
say "ready"
printf '%s\n' "$cache"
