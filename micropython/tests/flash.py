"""A board whose flash is littlefs2 on a RAM block device that writes down what is done to it, so that the power can be cut before
any operation. A board is started again and again in one interpreter."""

import io
import os
import sys
import vfs

BLOCK = 4096
COUNT = 288
# The names of modules that a start must load anew.
OURS = ("moult", "irrigation", "moult_boot", "moult_journal", "moult_slots", "moult_alarm", "machine", "network")


class Flash:
    """log takes each operation: an address with the bytes programmed, or a block that is erased. The operation numbered stop fails,
    and all behind it."""

    def __init__(self, image, log=None, stop=None):
        self.image, self.log, self.left = image, log, stop

    def _counts(self, operation):
        if self.left is not None:
            if self.left <= 0:
                return False
            self.left -= 1
        if self.log is not None:
            self.log.append(operation)
        return True

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = memoryview(self.image)[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        if not self._counts((at, bytes(buffer))):
            return -5  # to raise within littlefs would not do
        self.image[at : at + len(buffer)] = buffer

    def ioctl(self, operation, block):
        if operation == 4:
            return COUNT
        if operation == 5:
            return BLOCK
        if operation == 6:
            if not self._counts((block, None)):
                return -5
            self.image[block * BLOCK : (block + 1) * BLOCK] = b"\xff" * BLOCK
            return 0


def replay(image, operation):
    """Does one operation of a log."""
    at, data = operation
    if data is None:
        image[at * BLOCK : (at + 1) * BLOCK] = b"\xff" * BLOCK
    else:
        image[at : at + len(data)] = data


def new():
    """Returns an empty flash's image."""
    image = bytearray(BLOCK * COUNT)
    vfs.VfsLfs2.mkfs(Flash(image), progsize=256)
    return image


def use(flash, work):
    """Mounts a flash as the board's root, and does work on it."""
    vfs.mount(vfs.VfsLfs2(flash, progsize=256, readsize=256, mtime=False), "/flash")
    os.chdir("/flash")
    try:
        return work()
    finally:
        os.chdir("/")
        vfs.umount("/flash")


def forget():
    """Ends what runs on the board."""
    for name in list(sys.modules):
        if name.split(".")[0] in OURS:
            del sys.modules[name]
    sys.path[:] = [p for p in sys.path if not p.endswith("/main")]


def start(files=("boot.py", "main.py")):
    """Starts the board; returns 0 at its prompt, or the status with which it was reset."""
    forget()
    names = {"__name__": "__main__"}
    try:
        for file in files:
            with open(file) as f:
                exec(f.read(), names)
    except SystemExit as e:
        return e.args[0]
    except Exception as e:  # the application's: the board is at its prompt
        sys.print_exception(e)
    return 0


def boot():
    """Starts the board until it is not reset any more."""
    for _ in range(9):
        if start() == 0:
            return
    raise AssertionError("the board is reset for ever")


def put(name, content):
    at = name.find("/")
    while at > 0:
        try:
            os.mkdir(name[:at])
        except OSError:
            pass
        at = name.find("/", at + 1)
    with open(name, "wb") as f:
        f.write(content)


def tree(folder):
    """Returns the files below a folder, with their contents."""
    files = {}
    try:
        names = [entry for entry in os.ilistdir(folder)]
    except OSError:
        return files
    for entry in names:
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            for name, content in tree(path).items():
                files[entry[0] + "/" + name] = content
        else:
            with open(path, "rb") as f:
                files[entry[0]] = f.read()
    return files
