#!/bin/sh
# Installs the MicroPython that the tests run into bin/micropython: Debian's package of it for 64-bit and 32-bit words,
# with its libraries and the loader of each, so that neither the system's architecture nor its age matters.
# Each is then a program: bin/micropython/micropython64 and micropython32.
set -eu
cd "$(dirname "$0")/.."

release=trixie
version=1.25.0+ds-1
out="$PWD/bin/micropython"

say() {
	echo "micropython: $1" >&2
	exit 1
}

[ "$(cat "$out/version" 2>/dev/null)" = "$version" ] && exit 0
case $(uname -m) in
x86_64) ;;
*) say "got a machine of kind $(uname -m), want x86_64, which runs both word sizes" ;;
esac
for program in apt-get dpkg-deb; do
	command -v "$program" >/dev/null || say "$program is missing: the interpreters are Debian's packages"
done
for keyring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
	[ -e "$keyring" ] && break
done
[ -e "$keyring" ] || say "the package debian-archive-keyring is missing, which proves what is downloaded"

echo "installing MicroPython $version"
rm -rf "$out"
# apt with lists of its own: the system's sources and packages stay as they are.
apt="$out/apt"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
: >"$apt/status"
echo "deb [arch=amd64,i386 signed-by=$keyring] http://deb.debian.org/debian $release main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "i386"; };
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
export APT_CONFIG="$apt/apt.conf"
apt-get update -q=2 || say "Debian's list of packages could not be fetched"
for arch in amd64 i386; do
	for package in "micropython:$arch=$version" libc6:$arch libffi8:$arch libmbedcrypto16:$arch libmbedtls21:$arch libmbedx509-7:$arch; do
		(cd "$apt/packages" && apt-get download -q=2 "$package") || say "$package could not be fetched"
	done
	for package in "$apt/packages/"*_"$arch.deb"; do
		dpkg-deb --extract "$package" "$out/$arch"
	done
done
program() { # NAME ARCH LOADER LIBRARIES
	printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$out/$2/$3" "$out/$2/$4" "$out/$2/usr/bin/micropython" >"$out/$1"
	chmod +x "$out/$1"
	"$out/$1" -c 'print(1)' >/dev/null || say "$1 does not run"
}
program micropython64 amd64 usr/lib64/ld-linux-x86-64.so.2 usr/lib/x86_64-linux-gnu
program micropython32 i386 usr/lib/ld-linux.so.2 usr/lib/i386-linux-gnu
rm -rf "$apt"
echo "$version" >"$out/version"
