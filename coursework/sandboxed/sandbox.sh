#!/bin/sh
# Run a command where there is no network and no file but what it needs.
#
#   unshare ... sh sandbox.sh SCRATCH FOLDER... -- COMMAND...   isolated, in namespaces of its own
#   sh sandbox.sh --weak -- COMMAND...                          only under the limits of the process
#
# When standard input is closed, which happens when the grader dies, the command is killed.
set -eu
exec 9<&0 </dev/null

if [ "$1" = --weak ]; then
  shift 2
  drop=
else
  root=$1
  shift
  mount -t tmpfs -o size=256m,mode=755 tmpfs "$root"
  mkdir -p "$root/dev" "$root/proc" "$root/scratch" "$root/old" "$root/etc"
  show() {
    mount --rbind "$1" "$root$1"
    mount -o remount,bind,ro "$root$1"
  }
  for system in /bin /sbin /lib /lib32 /lib64 /usr; do
    if [ -L "$system" ]; then
      cp -P "$system" "$root$system"
    elif [ -d "$system" ]; then
      mkdir "$root$system"
      show "$system"
    fi
  done
  while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    show "$1"
    shift
  done
  shift
  for device in null zero full random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/shm"
  echo "student:x:$(id -u):$(id -g)::/scratch:/bin/sh" >"$root/etc/passwd"
  [ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache "$root/etc"
  mount -t proc proc "$root/proc"
  cd "$root"
  pivot_root . old
  umount -l /old
  mount -o remount,ro /
  mount -t tmpfs -o size=128m tmpfs /scratch
  mount -t tmpfs -o size=64m tmpfs /dev/shm
  cd /scratch
  drop="setpriv --no-new-privs --bounding-set=-all --inh-caps=-all"
fi

$drop "$@" 9<&- &
command=$!
{ read -r _ <&9 || true; kill -9 "$command"; } 2>/dev/null &
status=0
wait "$command" || status=$?
kill -9 $! 2>/dev/null || true
exit "$status"
