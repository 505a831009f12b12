#!/usr/bin/env bash
# Makes the whole file system of the image in a folder: rootfs.sh BINARY FOLDER. The binary, the libraries that it is linked
# with, root certificates, a user; no shell, no package manager. Run by deploy/Containerfile and, without an engine, by .ci/run.
set -euo pipefail
binary=$1 root=$2

install -D -m 0755 "$binary" "$root/usr/local/bin/countersign"
# Paths as the loader resolves them, the loader itself included.
ldd "$binary" | grep -o '/[^ )]*' | while read -r library; do
    install -D -m 0755 "$(readlink -f "$library")" "$root$library"
done
install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -d -m 0755 "$root/etc" "$root/var/lib"
install -d -m 1777 "$root/tmp"
install -d -m 0700 "$root/var/lib/countersign"
# Nobody may change the owner without being root: in a build without root the folder is the volume's business.
chown 65532:65532 "$root/var/lib/countersign" 2>/dev/null || true
printf 'nonroot:x:65532:65532::/var/lib/countersign:/sbin/nologin\n' >"$root/etc/passwd"
printf 'nonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
