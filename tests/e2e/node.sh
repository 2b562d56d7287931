#!/usr/bin/env bash
# node.sh NAME DISK SHARED CGROUPS PAUSE: process 1 of a node, in pid, mount, network, uts, ipc and cgroup namespaces
# of its own. Gives the node a root of its own (the machine's as the lower layer, DISK as the upper one), fresh kernel
# file systems, and then only reaps orphans. SHARED: folders that are seen under their own paths, split by ':'.
# CGROUPS: "unified" or the v1 hierarchies as FOLDER=OPTIONS, split by ':'.
set -euo pipefail
name=$1 disk=$2 shared=$3 cgroups=$4 pause=$5

mount --make-rprivate /
root=$disk/merged
mkdir -p "$root" "$disk/work"
mount -t overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" node "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
IFS=: read -ra folders <<< "$shared"
for folder in "${folders[@]}"; do
  mkdir -p "$root$folder"
  mount --rbind "$folder" "$root$folder"
done
# What has to lie on no overlay: containerd's snapshots are overlays themselves.
for folder in containerd kubelet etcd; do
  mkdir -p "$disk/$folder"
  mount --bind "$disk/$folder" "$root/var/lib/$folder"
done

# Control groups as this node's own cgroup namespace shows them.
groups=$root/sys/fs/cgroup
if [ "$cgroups" = unified ]; then
  mount -t cgroup2 cgroup2 "$groups"
  unified=$groups
else
  mount -t tmpfs -o mode=755 cgroup "$groups"
  unified=$groups/unified
  mkdir "$unified"
  mount -t cgroup2 cgroup2 "$unified"
  IFS=: read -ra hierarchies <<< "$cgroups"
  for hierarchy in "${hierarchies[@]}"; do
    mkdir "$groups/${hierarchy%%=*}"
    mount -t cgroup -o "${hierarchy#*=}" cgroup "$groups/${hierarchy%%=*}"
  done
fi
mkdir -p "$unified/system/init"
echo 0 > "$unified/system/init/cgroup.procs"
mount -t bpf bpf "$root/sys/fs/bpf"

# Settings that the kubelet wants and that belong to the whole machine: it reads the wanted value and changes nothing.
mkdir -p "$disk/sysctl"
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  path=${setting%=*}
  echo "${setting#*=}" > "$disk/sysctl/${path//\//.}"
  mount --bind "$disk/sysctl/${path//\//.}" "$root/proc/sys/$path"
done

exec 4> "$disk/up" # to be told when all is done: the machine's folders cannot be seen then
mkdir -p "$root/mnt/machine"
cd "$root"
pivot_root . mnt/machine
cd /
umount -l /mnt/machine
mount --make-rshared /
hostname "$name"
echo 1 > /proc/sys/net/ipv4/ip_forward
# Answers between two pods of this node go through the rules that rewrote the question.
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
echo 1 > /proc/sys/net/bridge/bridge-nf-call-ip6tables
echo up >&4
exec 4>&-
exec "$pause"
