#!/bin/sh
# The main job, on real input and without a network: two git repositories, two releases each, and a device that follows them.
set -eu
cd "$(dirname "$0")/.."
moult=$PWD/bin/moult
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_AUTHOR_NAME=Maker GIT_AUTHOR_EMAIL=maker@example.org GIT_COMMITTER_NAME=Maker GIT_COMMITTER_EMAIL=maker@example.org
export GIT_CONFIG_GLOBAL=/dev/null TZ=UTC

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*" | sed "s|$work/||g; s|$moult|moult|"; "$@" 2>&1 | sed "s|$work/||g"; }
release() { git -C "$work/$1" add -A && git -C "$work/$1" commit -q -m "$2" && git -C "$work/$1" tag "$2"; }

say "Two repositories, as on GitHub: each has its code in main/, and a release 1.9.0"
for module in irrigation updater; do
	git init -q "$work/$module"
	mkdir "$work/$module/main"
done
printf 'import domain.pump\nprint("irrigation 1.9.0")\n' >"$work/irrigation/main/app.py"
mkdir "$work/irrigation/main/domain" && echo 'def start(): pass' >"$work/irrigation/main/domain/pump.py"
printf '#!/bin/sh\necho checking\n' >"$work/irrigation/main/check" && chmod +x "$work/irrigation/main/check"
echo 'interval = 60' >"$work/irrigation/main/settings.py"
echo 'print("updater 1.9.0")' >"$work/updater/main/ota.py"
release irrigation 1.9.0 && release updater 1.9.0

say "A device: an empty folder with one file of configuration"
mkdir -p "$work/device/config"
cat >"$work/device/config/moult.json" <<END
{"modules": {
  "irrigation": {"url": "$work/irrigation", "keep": ["settings.py"]},
  "updater":    {"url": "$work/updater"},
}}
END
sed "s|$work/||g" "$work/device/config/moult.json"
cd "$work/device"

say "From nothing to release 1.9.0"
run "$moult" update

say "The device makes files of its own, and changes a setting that it keeps"
echo 'KEY = "mine"' >irrigation/main/secrets.py
echo 'interval = 5' >irrigation/main/settings.py

say "Release 1.10.0 is tagged: one file changed, one gone, one new"
sed -i 's/1.9.0/1.10.0/' "$work/irrigation/main/app.py"
git -C "$work/irrigation" mv -q main/domain/pump.py main/domain/valve.py 2>/dev/null || git -C "$work/irrigation" mv main/domain/pump.py main/domain/valve.py
echo 'print("updater 1.10.0")' >"$work/updater/main/ota.py"
release irrigation 1.10.0 && release updater 1.10.0

say "What is there, what would be done, and done (1.10 is newer than 1.9)"
run "$moult" update --check || true
run "$moult" update --dry-run irrigation
run "$moult" update --json irrigation
run "$moult" update updater

say "Main is the new version whole; what is the device's own went along; prev is there to go back to"
(cd irrigation && find . -type f | sort | sed 's|^\./|  irrigation/|')
run cat irrigation/main/settings.py

say "The power is cut in the middle of an update (here: the program is killed), and the next start puts it right"
sed -i 's/1.10.0/1.11.0/' "$work/irrigation/main/app.py" && release irrigation 1.11.0
if command -v strace >/dev/null; then
	(strace -f -qq -o /dev/null -e inject=renameat2:signal=KILL:when=1 "$moult" update irrigation || true) 2>/dev/null | sed "s|$work/||g"
	echo "   … killed. What stands on the disk: $(ls irrigation | tr '\n' ' ')"
else
	echo "   (install strace to see this part)"
fi
run "$moult" status irrigation

say "And back, because a person asks"
run "$moult" rollback irrigation --reason "the pump does not start"
run "$moult" history

say "The agent looks after a device: it updates, runs the program, judges each new version, and shows it on LEDs"
git init -q "$work/pump" && mkdir "$work/pump/main"
printf 'echo "pump 1.0 is up"; while :; do sleep 1; done\n' >"$work/pump/main/run.sh"
release pump 1.0
mkdir -p "$work/board/config"
cat >"$work/board/config/moult.json" <<END
{"modules": {"pump": {"url": "$work/pump", "run": ["sh", "main/run.sh"], "trial": {"within": "3s"}}}, "check": {"every": "6s"}}
END
cd "$work/board"
sed "s|$work/||g" config/moult.json
printf '$ moult agent --draw-leds\n'
"$moult" agent --draw-leds >"$work/agent.log" 2>&1 &
agent=$!
trap 'kill $agent 2>/dev/null || true; wait $agent 2>/dev/null || true; rm -rf "$work"' EXIT
tail -f -n +1 --pid=$agent "$work/agent.log" &
until_said() { for _ in $(seq 400); do grep -q "$1" "$work/agent.log" && return; sleep 0.1; done; echo "waited in vain for: $1"; exit 1; }
until_said "1.0 is confirmed"
say "A good release is tagged"
sed -i 's/1.0/1.1/' "$work/pump/main/run.sh" && release pump 1.1
until_said "1.1 is confirmed"
say "A bad one is tagged: it crashes. It goes back by itself"
printf 'echo "cannot open the valve" >&2; exit 1\n' >"$work/pump/main/run.sh" && release pump 1.2
until_said "rolled back from 1.2 to 1.1"
sleep 2
kill $agent && wait $agent || true
run "$moult" status
