#!/bin/sh
# Assembles the root file system around the gateway: `base.sh FOLDER`, on Debian, as root or not.
# The image has no shell, no package manager and no program besides the gateway.
set -eu
root=$1
packages="libc6 libgcc-s1 gcc-12-base ca-certificates tzdata netbase base-files"

mkdir -p "$root"
archives=$(mktemp -d)
trap 'rm -rf "$archives"' EXIT
apt-get update -qq
# apt drops its privileges for downloads, and the folder belongs to this user. The packages are words.
# shellcheck disable=SC2086
(cd "$archives" && apt-get -o APT::Sandbox::User=root download $packages)
mkdir -p "$root/var/lib/dpkg/status.d"
for archive in "$archives"/*.deb; do
  name=$(dpkg-deb --field "$archive" Package)
  dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$archives" --one-top-level="$name"
  # Scanners find the packages, their versions and hence their vulnerabilities here.
  dpkg-deb --field "$archive" >"$root/var/lib/dpkg/status.d/$name"
done
# Only files that a program without a shell uses.
for name in $packages; do
  from="$archives/$name"
  for path in lib lib64 usr/lib/os-release usr/lib/x86_64-linux-gnu usr/lib/aarch64-linux-gnu usr/share/zoneinfo etc/protocols etc/services; do
    test -e "$from/$path" || continue
    mkdir -p "$root/$(dirname "$path")"
    cp -a "$from/$path" "$root/$(dirname "$path")/"
  done
  mkdir -p "$root/usr/share/doc/$name"
  cp "$from/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/" 2>/dev/null || :
done
rm -rf "$root/usr/share/zoneinfo/right" "$root/usr/share/zoneinfo/posix"
rm -rf "$root"/usr/lib/*/gconv "$root"/lib/*/gconv "$root"/usr/lib/*/audit
ln -sf ../usr/lib/os-release "$root/etc/os-release"

# The bundle that ca-certificates makes when it is installed.
mkdir -p "$root/etc/ssl/certs"
find "$archives/ca-certificates/usr/share/ca-certificates" -name '*.crt' | sort | while read -r certificate; do
  cat "$certificate"
  echo
done >"$root/etc/ssl/certs/ca-certificates.crt"

printf 'root:x:0:0:root:/:/usr/sbin/nologin\nweir:x:1000:1000:Weir:/var/lib/weir:/usr/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nweir:x:1000:\n' >"$root/etc/group"
printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$root/etc/nsswitch.conf"
mkdir -p "$root/etc/weir" "$root/usr/bin" "$root/tmp"
chmod 1777 "$root/tmp"
cp deploy/image/weir.yaml "$root/etc/weir/weir.yaml"
cp deploy/image/weir "$root/usr/bin/weir"
chmod 755 "$root/usr/bin/weir"
