package micropython_test

import "testing"

// TestStaging stages from bundles that are made here, section by section: what a stick's is refused for, and what a board asks a server for
// where the server's is no good.
func TestStaging(t *testing.T) {
	const script = `
from binascii import hexlify
from hashlib import sha256
import moult_boot as boot
from moult import download
from moult.repository import DOWNLOAD, Refused
from moult.staging import stage

def hex(data):
    return hexlify(sha256(data).digest()).decode()

def put(name, data):
    boot.makedirs(boot.parent(name))
    with open(name, "wb") as f:
        f.write(data)

def manifest(version, files):
    lines = ['{"path":"%s","length":%d,"sha256":"%s"}' % (path, len(files[path]), hex(files[path])) for path in sorted(files)]
    return ('{"module":"m","version":"%s","files":[\n%s\n]}\n' % (version, ",\n".join(lines))).encode()

old = {"a": b"abcd", "b": b"same"}
new = {"a": b"abcde", "b": b"same", "c": b"same", "d": b"xyz"}
first, second = manifest("1", old), manifest("2", new)
base = b"\7\0\x08" + sha256(first).digest()[:8]
whole = b"\x08\0" + bytes([len(second) & 127 | 128, len(second) >> 7]) + second
pack = b"\x09\0\0" + b"\0\1\x09\0\2e" + b"\2\0xyz" + b"\0"  # a as a delta, b and c passed over, d whole

def delta(size, more=b""):  # 20 bytes copied, the others inserted, in operations of a size
    data = b"\x29\0"
    for at in range(20, len(second), size):
        part = second[at : at + size]
        data += bytes([2 * len(part)]) + part
    data += more
    return b"\x08\1" + bytes([len(data) & 127 | 128, len(data) >> 7]) + data

class Source:
    m, name, feed = {"main": "main"}, "m", None

    def __init__(self, url):
        self.url, self.asked = url, []

    def online(self, verb, path, to, length, digest):
        self.asked.append(path.split("/")[0] + " " + to)
        for data in [second] + list(new.values()):
            if hex(data) == digest:
                put(to, data)

def play(name, body, have=old, module=b"m"):
    said = []
    for url in ("", "http://server"):
        for folder in ("main", "next", DOWNLOAD[:-1]):
            boot.remove_tree(folder)
            boot.makedirs(folder)
        put("main/.manifest", first)
        for path, data in have.items():
            put("main/" + path, data)
        data = b"\1\0" + bytes([len(module)]) + module + body
        size = bytes([len(data) & 255, len(data) >> 8])
        put("bundle", b"MLT\1\x0a\1" + size + bytes(b ^ 255 for b in size) + data)
        source = Source(url)
        try:
            for _ in stage(source, download.take(source, "bundle"), "2", len(second), hex(second), "next"):
                pass
            for path, data in new.items():
                with open("next/" + path, "rb") as f:
                    if f.read() != data:
                        print(name, path, "is another")
            said.append(" ".join(source.asked) or "staged")
        except Refused as e:
            said.append(e.reason)
    print("%s: %s; %s" % (name, said[0], said[1]))

play("whole", base + whole + pack)
play("a delta", base + delta(60) + pack)
play("a delta with bytes behind it", base + delta(60, b"\2x") + pack)
play("a delta longer than the manifest", base + delta(1) + pack)
play("a delta that ends early", base + b"\x08\1\x04\x29\0\2{" + pack)
play("a manifest of another length", base + b"\x08\0\x08" + second[:8] + pack)
play("another module's", base + whole + pack, module=b"n")
play("no manifest", base + pack)
play("no pack", base + whole)
play("for another version", b"\7\0\x0812345678" + whole + pack)
play("for who has nothing", whole + b"\x09\0\0\0\0abcde\2\0xyz\0")
play("for who has nothing, with a delta", whole + pack)
play("the base of a delta altered", base + whole + pack, {"a": b"a", "b": b"same"})
play("the base of a delta gone", base + whole + pack, {"b": b"same"})
play("a file altered", base + whole + pack, {"a": b"abcd", "b": b"not the same"})
play("a file altered, a copy there", base + whole + pack.replace(b"xyz", b"xyy"), {"a": b"abcd", "b": b"same", "d": b"xyz"})
play("a section of 64 KB before", b"\3\1" + b"\x81\x80\4" + b"x" * 65 + base + whole + pack)

from moult.manifest import own
print(bool(own(Source(""), "next", ("x/link", 0, None, "../a"))), boot.read("next/x/link"))
try:
    own(Source(""), "next", ("link", 0, None, "none"))
except boot.Error as e:
    print(e)
`
	const want = `whole: staged; staged
a delta: staged; staged
a delta with bytes behind it: format; files next/a files next/d
a delta longer than the manifest: length; targets next/.manifest files next/a files next/d
a delta that ends early: format; targets next/.manifest files next/a files next/d
a manifest of another length: length; targets next/.manifest files next/a files next/d
another module's: wrong-module; targets next/.manifest files next/a files next/d
no manifest: missing; targets next/.manifest files next/a files next/d
no pack: missing; files next/a files next/d
for another version: missing; targets next/.manifest files next/a files next/d
for who has nothing: staged; staged
for who has nothing, with a delta: format; files next/a files next/d
the base of a delta altered: missing; files next/a
the base of a delta gone: missing; files next/a
a file altered: missing; files next/b
a file altered, a copy there: hash; staged
a section of 64 KB before: length; targets next/.manifest files next/a files next/d
True abcde
link: got a link to none, which is no file before it
`
	eachWord(t, func(t *testing.T, word string) {
		if out := evalIn(t, word, script, nil); out != want {
			t.Errorf("got\n%s\nwant\n%s", out, want)
		}
	})
}
