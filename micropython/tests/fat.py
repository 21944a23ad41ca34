"""Updates a board whose flash is FAT, as a Pyboard D has it by default. argv: a JSON file with the board's files."""

import json
import os
import sys
import vfs

sys.path.insert(0, "")
sys.path.append("lib")
import flash


class Sectors:
    """A RAM disk of 512-byte sectors."""

    def __init__(self, count):
        self.data = bytearray(count * 512)

    def readblocks(self, n, buffer):
        buffer[:] = memoryview(self.data)[n * 512 : n * 512 + len(buffer)]

    def writeblocks(self, n, buffer):
        self.data[n * 512 : n * 512 + len(buffer)] = buffer

    def ioctl(self, operation, _):
        return {4: len(self.data) // 512, 5: 512}.get(operation, 0)


disk = Sectors(4096)
vfs.VfsFat.mkfs(disk)
vfs.mount(vfs.VfsFat(disk), "/flash")
os.chdir("/flash")
with open(sys.argv[1]) as f:
    for name, content in json.load(f).items():
        flash.put(name, content.encode())
flash.boot()
print(sorted(flash.tree("app").items()))
