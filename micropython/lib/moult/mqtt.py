"""Tells a broker what happens, and takes commands: MQTT 3.1.1 with the topics of docs/mqtt.md. Events with an id are sent until the
broker has them; how far they were sent is kept in .moult/sent."""

import json
import time
from binascii import hexlify
from hashlib import sha256

import moult
import moult_boot as boot
from micropython import const
from moult_boot import Error

_KEEPALIVE = const(60)  # seconds
_PATIENCE = const(15000)  # ms for an acknowledgement
_PACKET = const(4608)  # bytes of a packet that comes: a command has at most 4 KiB
_LIVE = const(16)  # events without id that wait
_RETRY = const(5000)  # ms: the first wait after a failure, doubled each time up to the last
_RETRY_LAST = const(300000)
_HOME = b"homeassistant/status"  # where Home Assistant says that it starts


class Client:
    """The messages of an agent. flush connects, sends what there is and takes its leave; step keeps the connection, and takes commands.
    done has the commands, those that wait and those that are remembered; current answers the one that is being done."""

    lasting = False

    def __init__(self, agent):
        config = agent.config["mqtt"]
        if config["url"].partition("://")[0] not in ("mqtt", "mqtts"):
            raise Error("mqtt.url: got none that a board can use, want mqtt:// or mqtts://, a user, password, host and port")
        self.agent, self.topic = agent, config["topic"]
        self.live, self.replies, self.done = [], [], []
        self.sock = self.current = self.due = None
        self.number = self.failures = 0
        self.news = True

    def tell(self, event):
        """Keeps an event without id until it can be told; those with one are in the history."""
        self.news = True
        if "id" not in event:
            if event["event"] == "progress":
                self.live = [e for e in self.live if e["event"] != "progress"]
            self.live = self.live[1 - _LIVE :] + [event]

    # The connection

    def open(self):
        """Connects and says that the board is online."""
        config = self.agent.config["mqtt"]
        scheme, _, host = config["url"].partition("://")
        user, at, host = host.rstrip("/").rpartition("@")
        users = user.split(":", 1) if at else []
        if "%" in user:
            users = [moult.quote.unquote(part) for part in users]
        secure = scheme == "mqtts"
        self.sock = moult.http.connect(host, 8883 if secure else 1883, config.get("ca") or "config/ca.pem" if secure else "")
        self.sock.setblocking(False)
        moult.forget("http", "tls", "quote")
        self.data, self.retained = b"", {}
        name = "moult" + hexlify(sha256(self.topic.encode()).digest()[:8]).decode()
        flags = 0x2C | (0x80 if users else 0) | (0x40 if len(users) > 1 else 0)  # will: retained, QoS 1; the session is kept
        parts = [name, self.topic + "/status", "offline"] + users
        self.send(0x10, b"\0\4MQTT\4" + bytes([flags, 0, _KEEPALIVE]) + b"".join([_text(part.encode()) for part in parts]))
        code = (yield from self.wait(0x20))[1]
        if code:
            why = {4: "wrong user or password", 5: "not authorised"}.get(code, "code %d" % code)
            raise Error("mqtt: %s refused the connection: %s" % (host, why))
        self.send(0x82, b"\0\1" + _text(self.topic.encode() + b"/cmd") + b"\1" + _text(_HOME) + b"\1")
        yield from self.wait(0x90)
        yield from self.publish("status", b"online", 1)
        self.news = True

    def close(self, leave=False):
        if self.sock:
            try:
                if leave:
                    yield from self.publish("status", b"offline", 1)
                    self.send(0xE0, b"")
            except (OSError, Error):
                pass
            self.sock.close()
            self.sock = None

    def send(self, kind, body):
        """Sends a packet, all of it."""
        size, head = len(body), bytearray([kind])
        while size > 127:
            head.append(size & 127 | 128)
            size >>= 7
        head.append(size)
        data, end = memoryview(bytes(head) + body), _later(_PATIENCE)
        while data:
            data = data[self.sock.write(data) or 0 :]
            if data:
                if _over(end):
                    raise Error("mqtt: the broker takes nothing")
                time.sleep_ms(10)

    def receive(self):
        """Takes the next packet that has come: its kind and body, or None. What is published is dealt with here."""
        data = self.sock.read(256)
        if data:
            self.data += data
        elif data is not None:
            raise Error("mqtt: the broker closed the connection")
        data, size, at = self.data, 0, 1
        while True:
            if at >= len(data):
                return None
            size |= (data[at] & 127) << 7 * (at - 1)
            at += 1
            if data[at - 1] < 128:
                break
            if at > 4:
                size = _PACKET + 1
                break
        if size > _PACKET:
            raise Error("mqtt: got a packet of %d bytes" % size)
        if len(data) < at + size:
            return None
        kind, body, self.data = data[0], data[at : at + size], data[at + size :]
        self.heard, self.pinged = time.ticks_ms(), False
        if kind & 0xF0 == 0x30:
            at = 2 + (body[0] << 8 | body[1])
            name = body[2:at]
            if kind & 6:
                self.send(0x40, body[at : at + 2])  # before it is done: a command that restarts the board must not come again
                at += 2
            body = body[at:]
            if kind & 1:
                pass  # retained: older than this connection
            elif name == self.topic.encode() + b"/cmd":
                moult.commands.take(self, body)
            elif name == _HOME and body == b"online":
                self.retained, self.news = {}, True
        return kind, body

    def wait(self, wanted):
        """Waits for a kind of packet, and returns its body."""
        end = _later(_PATIENCE)
        while not _over(end):
            packet = self.receive()
            if not packet:
                yield 20
            elif packet[0] == wanted:
                return packet[1]
        raise Error("mqtt: the broker says nothing for %d s" % (_PATIENCE // 1000))

    def publish(self, topic, data, retain=0, qos=1):
        """Sends a message and, with QoS 1, waits until the broker has it. A topic with a slash at its head is as it stands."""
        name = _text((topic[1:] if topic[0] == "/" else self.topic + "/" + topic).encode())
        if not qos:
            self.send(0x30, name + data)
            return
        self.number = self.number % 65535 + 1
        number = bytes([self.number >> 8, self.number & 255])
        self.send(0x32 | retain, name + number + data)
        while (yield from self.wait(0x40))[:2] != number:
            pass

    # What is sent

    def deliver(self):
        """Sends all that waits: replies, what Home Assistant shows, events."""
        while self.replies:
            yield from self.publish("reply", self.replies[0])
            self.replies.pop(0)
        if not self.news:
            return
        self.news = False
        for topic, data in moult.home.messages(self.agent):
            if self.retained.get(topic) != hash(data):
                yield from self.publish(topic, data, 1)
                self.retained[topic] = hash(data)
        try:
            before = sent = int(boot.read(".moult/sent") or 0)
        except ValueError:
            before = sent = 0
        from moult_journal import events

        for event in events(sent):
            number = event["seq"] - 1
            if number > sent:
                text = "%d event%s lost: the history was full before they could be sent" % (number - sent, " is" if number == sent + 1 else "s are")
                lost = {"id": "dropped-%d-%d" % (sent + 1, number), "seq": number, "time": event["time"], "event": "dropped", "text": text}
                yield from self.publish("log", json.dumps(lost).encode())
            yield from self.publish("log", json.dumps(event).encode())
            sent = event["seq"]
        events = None
        moult.forget("home", "moult_journal")
        if sent != before:
            boot.write(".moult/sent", str(sent))
        while self.live:
            yield from self.publish("log", json.dumps(self.live.pop(0)).encode(), 0, 0)

    def flush(self, text=""):
        """Sends what waits, and takes its leave unless the connection lasts. What fails is not raised: the events stay. text answers the
        command that is being done, before the board restarts."""
        if self.current:
            self.replies.append(self.current(True, text or "the board is restarted"))
            self.current = None
        try:
            if not self.sock:
                yield from self.open()
            yield from self.deliver()
            if not self.lasting:
                yield from self.close(True)
        except Exception as e:
            yield from self.broke(e)

    def broke(self, e):
        yield from self.close()
        self.due = _later(min(_RETRY << min(self.failures, 8), _RETRY_LAST))
        self.failures += 1
        if self.failures == 1:
            self.agent.say("network", str(e))

    def step(self):
        """Keeps the connection: sends what waits, answers commands."""
        self.lasting = True
        try:
            if not self.sock:
                if self.due is not None and not _over(self.due):
                    return
                yield from self.open()
                self.failures = 0
            yield from self.deliver()
            while self.receive():
                pass
            if any([entry[1] for entry in self.done]):
                yield from moult.commands.work(self)
                moult.forget("commands", "moult_journal")
                yield from self.deliver()
            quiet = time.ticks_diff(time.ticks_ms(), self.heard)
            if quiet > 1500 * _KEEPALIVE:
                raise Error("mqtt: the broker says nothing for %d s" % (quiet // 1000))
            if quiet > 500 * _KEEPALIVE and not self.pinged:
                self.pinged = True
                self.send(0xC0, b"")
        except Exception as e:
            yield from self.broke(e)


def _text(data):
    return bytes([len(data) >> 8, len(data) & 255]) + data


def _later(ms):
    return time.ticks_add(time.ticks_ms(), ms)


def _over(end):
    return time.ticks_diff(end, time.ticks_ms()) <= 0
