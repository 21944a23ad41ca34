#!/bin/sh
# Installs what the tests need and is missing: Debian's packages, npm's into testdata/npm, MicroPython into bin/micropython.
set -eu
cd "$(dirname "$0")/.."

missing=""
for need in git:git strace:strace npm:npm openssh-server:/usr/sbin/sshd mosquitto:/usr/sbin/mosquitto \
	dbus-daemon:dbus-daemon debian-archive-keyring:/usr/share/keyrings/debian-archive-keyring.gpg python3:python3 rsync:rsync bsdiff:bsdiff python3-dbusmock:/usr/lib/python3/dist-packages/dbusmock systemd:systemd-analyze; do
	command -v "${need#*:}" >/dev/null || [ -e "${need#*:}" ] || missing="$missing ${need%%:*}"
done
if [ -n "$missing" ]; then
	echo "installing$missing"
	sudo=""
	[ "$(id -u)" = 0 ] || sudo=sudo
	# One package list that is out of date must not stop the rest.
	$sudo apt-get update -q || true
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qy --no-install-recommends $missing
fi

installed=testdata/npm/node_modules/.installed-lock.json
if ! cmp -s testdata/npm/package-lock.json "$installed"; then
	echo "installing npm's packages"
	(cd testdata/npm && npm ci --no-audit --no-fund --ignore-scripts)
	cp testdata/npm/package-lock.json "$installed"
fi

./scripts/micropython.sh
