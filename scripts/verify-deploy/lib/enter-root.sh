#!/bin/sh
# Runs a program as container engines do: `enter-root.sh ROOT DATA USER:GROUP PROGRAM [ARGUMENTS]`, as root, in a mount and pid
# namespace. The root file system is read-only, /tmp is empty, DATA is at /var/lib/weir, and the user has no privileges.
set -eu
root=$1
data=$2
user=$3
shift 3
mount --make-rprivate /
mkdir -p "$root/proc" "$root/dev"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o nosuid,mode=755 dev "$root/dev"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp "$root/tmp"
mount --bind "$data" "$root/var/lib/weir"
mount -o remount,ro,bind "$root"
exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"
