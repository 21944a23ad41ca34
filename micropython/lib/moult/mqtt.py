"""Tells a broker what happens, and takes commands: MQTT 3.1.1 with the topics of docs/mqtt.md. Events with an id are sent until the
broker has them; how far they were sent is kept in .moult/sent."""

import json
import time
from hashlib import sha256

import moult_boot as boot
from moult.http import Error, NetworkError, Stream, connect

_KEEPALIVE = 60  # seconds
_PATIENCE = 15000  # ms for an acknowledgement
_PACKET = 4608  # bytes of a packet that comes: a command has at most 4 KiB
_LIVE = 16  # events without id that wait
_RETRY = (5000, 300000)  # ms


class Client:
    """The messages of an agent. flush connects, sends what there is and takes its leave; step keeps the connection, and takes commands."""

    lasting = False

    def __init__(self, agent):
        c = agent.config["mqtt"]
        scheme, _, rest = c["url"].partition("://")
        if scheme not in ("mqtt", "mqtts") or not rest:
            raise Error("mqtt.url: got none that a board can use, want mqtt:// or mqtts://, a user, password, host and port")
        self.secure, (user, at, self.host) = scheme == "mqtts", rest.rstrip("/").rpartition("@")
        self.user = [unescape(part) for part in user.split(":", 1)] if at else []
        self.agent, self.topic = agent, c["topic"]
        self.ca = c.get("ca", "config/ca.pem")
        self.live, self.replies, self.done = [], [], []
        self.stream = self.current = self.acked = None
        self.inbox, self.packet, self.failures, self.due = b"", 0, 0, None
        self.heard = self.retained = None
        self.pinged, self.news = False, True

    def tell(self, event):
        """Keeps an event without id until it can be told; those with one are in the history."""
        self.news = True
        if "id" not in event:
            if event["event"] == "progress":
                self.live = [e for e in self.live if e["event"] != "progress"]
            self.live = self.live[1 - _LIVE :] + [event]

    # The connection

    def open(self):
        """Connects and says that the board is online; what cannot be is a NetworkError."""
        sock = connect(self.host, self.secure, 8883 if self.secure else 1883, self.ca)
        self.stream, self.inbox, self.acked, self.retained = Stream(sock, self.agent.feed, 256), b"", set(), {}
        name = "moult" + "".join("%02x" % b for b in sha256(self.topic.encode()).digest()[:8])
        flags = 0x2C | (0x80 if self.user else 0) | (0x40 if len(self.user) > 1 else 0)  # will: retained, QoS 1; the session is kept
        body = b"\0\4MQTT\4" + bytes([flags, 0, _KEEPALIVE]) + _text(name) + _text(self.topic + "/status") + _text("offline")
        self._send(0x10, body + b"".join(_text(t) for t in self.user))
        answer = yield from self._wait_for(0x20)
        if answer[1]:
            why = {4: "wrong user or password", 5: "not authorised"}.get(answer[1], "code %d" % answer[1])
            raise NetworkError("mqtt: %s refused the connection: %s" % (self.host, why))
        self.packet += 1
        self._send(0x82, bytes([self.packet >> 8, self.packet & 255]) + _text(self.topic + "/cmd") + b"\1")
        yield from self._wait_for(0x90)
        yield from self.publish("status", b"online", True)
        self.heard, self.news = time.ticks_ms(), True

    def close(self, leave=False):
        if self.stream:
            try:
                if leave:
                    yield from self.publish("status", b"offline", True)
                    self._send(0xE0, b"")
            except Error:
                pass
            self.stream.close()
            self.stream = None

    def _send(self, kind, body):
        size, head = len(body), bytearray([kind])
        while True:
            size, low = size >> 7, size & 127
            head.append(low | (0x80 if size else 0))
            if not size:
                break
        self.stream.send(bytes(head) + body)

    def _receive(self):
        """Takes the next packet that has come: its kind and body, or None."""
        n = self.stream.fill(False)
        if n == 0:
            raise NetworkError("mqtt: the broker closed the connection")
        if n:
            self.inbox += bytes(self.stream.buffer[:n])
        size = shift = 0
        for i in range(1, min(len(self.inbox), 5)):
            size |= (self.inbox[i] & 127) << shift
            shift += 7
            if not self.inbox[i] & 128:
                break
        else:
            return None
        if size > _PACKET:
            raise NetworkError("mqtt: got a packet of %d bytes" % size)
        if len(self.inbox) < i + 1 + size:
            return None
        kind, body = self.inbox[0], self.inbox[i + 1 : i + 1 + size]
        self.inbox = self.inbox[i + 1 + size :]
        return kind, body

    def _handle(self, kind, body):
        self.heard, self.pinged = time.ticks_ms(), False
        if kind == 0x40:
            self.acked.add(body[0] << 8 | body[1])
        elif kind & 0xF0 == 0x30:
            at = 2 + (body[0] << 8 | body[1])
            name = body[2:at]
            if kind & 6:
                self._send(0x40, body[at : at + 2])  # before it is done: a command that restarts the board must not come again
                at += 2
            if name == (self.topic + "/cmd").encode() and not kind & 1:
                from moult.commands import take

                take(self, body[at:])

    def _wait_for(self, wanted):
        end = time.ticks_add(time.ticks_ms(), _PATIENCE)
        while time.ticks_diff(end, time.ticks_ms()) > 0:
            packet = self._receive()
            if not packet:
                yield 20
            elif packet[0] == wanted:
                return packet[1]
            else:
                self._handle(*packet)
        raise NetworkError("mqtt: the broker says nothing for %d s" % (_PATIENCE // 1000))

    def publish(self, topic, payload, retain=False, qos=1):
        """Sends a message and, with QoS 1, waits until the broker has it. A topic with a slash at its head is as it stands."""
        name = _text(topic[1:] if topic[0] == "/" else self.topic + "/" + topic)
        if not qos:
            self._send(0x30, name + payload)
            return
        self.packet = self.packet % 65535 + 1
        number = self.packet
        self._send(0x32 | retain, name + bytes([number >> 8, number & 255]) + payload)
        end = time.ticks_add(time.ticks_ms(), _PATIENCE)
        while number not in self.acked:
            packet = self._receive()
            if packet:
                self._handle(*packet)
            elif time.ticks_diff(end, time.ticks_ms()) <= 0:
                raise NetworkError("mqtt: the broker acknowledges nothing for %d s" % (_PATIENCE // 1000))
            else:
                yield 20
        self.acked.discard(number)

    # What is sent

    def _deliver(self):
        """Sends all that waits: replies, what Home Assistant shows, events."""
        while self.replies:
            yield from self.publish("reply", self.replies[0])
            self.replies.pop(0)
        if not self.news:
            return
        from moult import home

        for topic, payload in home.messages(self.agent):
            if self.retained.get(topic) != hash(payload):
                yield from self.publish(topic, payload, True)
                self.retained[topic] = hash(payload)
        try:
            before = sent = int(boot.read(".moult/sent") or 0)
        except ValueError:
            before = sent = 0
        from moult_journal import events

        for event in events(sent):
            if event["seq"] > sent + 1:
                lost = event["seq"] - sent - 1
                text = "%d event%s lost: the history was full before they could be sent" % (lost, " is" if lost == 1 else "s are")
                e = {"id": "dropped-%d-%d" % (sent + 1, event["seq"] - 1), "seq": event["seq"] - 1, "time": event["time"], "event": "dropped", "text": text}
                yield from self.publish("log", json.dumps(e).encode())
            yield from self.publish("log", json.dumps(event).encode())
            sent = event["seq"]
        if sent != before:
            boot.write(".moult/sent", str(sent))
        while self.live:
            yield from self.publish("log", json.dumps(self.live.pop(0)).encode(), qos=0)
        self.news = False

    def flush(self, text=""):
        """Sends what waits, and takes its leave unless the connection lasts. What fails is not raised: the events stay. text answers the
        command that is being done, before the board restarts."""
        if self.current:
            self.replies.append(self.current(True, text or "the board is restarted"))
            self.current = None
        try:
            if not self.stream:
                yield from self.open()
            yield from self._deliver()
            if not self.lasting:
                yield from self.close(True)
        except Exception as e:
            yield from self._broke(e)

    def _broke(self, e):
        yield from self.close()
        wait = min(_RETRY[0] << min(self.failures, 8), _RETRY[1])
        self.due = time.ticks_add(time.ticks_ms(), wait)
        self.failures += 1
        if self.failures == 1:
            self.agent.say("network", str(e))

    def step(self):
        """Keeps the connection: sends what waits, answers commands."""
        self.lasting = True
        try:
            if not self.stream:
                if self.due is not None and time.ticks_diff(self.due, time.ticks_ms()) > 0:
                    return
                yield from self.open()
                self.failures = 0
            yield from self._deliver()
            packet = self._receive()
            while packet:
                self._handle(*packet)
                packet = self._receive()
            if self.done:
                from moult.commands import work

                yield from work(self)
                yield from self._deliver()
            quiet = time.ticks_diff(time.ticks_ms(), self.heard)
            if quiet > 1500 * _KEEPALIVE:
                raise NetworkError("mqtt: the broker says nothing for %d s" % (quiet // 1000))
            if quiet > 500 * _KEEPALIVE and not self.pinged:
                self.pinged = True
                self._send(0xC0, b"")
        except Exception as e:
            yield from self._broke(e)


def _text(text):
    data = text.encode()
    return bytes([len(data) >> 8, len(data) & 255]) + data


def unescape(text):
    """Undoes the %-escapes of a URL's user and password."""
    if "%" not in text:
        return text
    from moult.github import unquote

    return unquote(text)
