#!/usr/bin/env bash
# Builds the other sides of the load benchmark (README.md says what they are), and prints the folder that has them. Needs
# Go >= 1.26. Running it again costs a moment: the results are kept outside the work tree, in $COUNTERSIGN_TEST_CACHE/peers
# (by default ~/.cache/countersign-tests/peers), under names made of what the sources hold, with links to the current ones.
# What cannot be built is named, loses its link, and does not keep the others from being built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Of another project, pinned. Gardener's is pinned by the module in the folder gardener.
guard=go.kubeguard.dev/guard@v0.16.7

cache=${COUNTERSIGN_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/countersign-tests}/peers
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9

say() { printf '%s\n' "setup: $*" >&2; }

# Of this module: "what Kubernetes' own machinery would do as a webhook".
kubernetes() {
    local target
    target=$cache/kubernetes-$(cd kubernetes && sha256sum go.mod go.sum ./*.go | sha256sum | cut -c1-12)
    if [[ ! -x $target ]]; then
        say "building peer-kubernetes (the first time it takes one to two minutes of two cores)"
        rm -f "$cache"/kubernetes-*
        (cd kubernetes && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o "$target.partial" .) >&2 || return
        mv "$target.partial" "$target" || return
    fi
    printf '%s' "$target"
}

# gardener FILE: gardener's authenticator as it is, and the definition of the objects that it reads, from one version. The
# module is ours, because `go install PACKAGE@VERSION` asks for a list of versions that is refused.
gardener() {
    local module=github.com/gardener/oidc-webhook-authenticator folder sources
    folder=$cache/oidc-webhook-authenticator-$(cd gardener && sha256sum go.mod go.sum | sha256sum | cut -c1-12)
    if [[ ! -d $folder ]]; then
        say "building gardener's authenticator (the first time it takes two minutes of two cores)"
        rm -rf "$cache/oidc-webhook-authenticator-"*
        (cd gardener && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' \
            -o "$folder.partial/oidc-webhook-authenticator" "$module/cmd/oidc-webhook-authenticator") >&2 || return
        sources=$(cd gardener && go list -mod=readonly -m -f '{{.Dir}}' "$module") || return
        install -m 0644 "$sources/config/crd/bases/authentication.gardener.cloud_openidconnects.yaml" \
            "$folder.partial/openidconnects.yaml" || return
        mv "$folder.partial" "$folder" || return
    fi
    printf '%s' "$folder/$1"
}

# published PACKAGE@VERSION: a command of another project, as it is.
published() {
    local package=${1%@*} folder
    folder=$cache/$(basename "$package")-${1##*@}
    if [[ ! -d $folder ]]; then
        say "building $1"
        rm -rf "$cache/$(basename "$package")"-v*
        GOBIN=$folder.partial CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' "$1" >&2 || return
        mv "$folder.partial" "$folder" || return
    fi
    printf '%s' "$folder/$(basename "$package")"
}

# peer LINK COMMAND...: the command builds it and prints where it is.
peer() {
    local link=$cache/$1 target
    shift
    if target=$("$@"); then
        ln -sfn "$target" "$link"
    else
        rm -f "$link"
        say "SKIPPED, CANNOT BE BUILT HERE: $(basename "$link") (${!#}); the reason is above"
    fi
}

peer peer-kubernetes kubernetes
peer guard published "$guard"
peer gardener-oidc-webhook-authenticator gardener oidc-webhook-authenticator
peer gardener-openidconnects.yaml gardener openidconnects.yaml
printf '%s\n' "$cache"
