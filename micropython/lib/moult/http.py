"""One HTTP request at a time, in constant memory: the body is read through one buffer, as it comes. HTTP/1.0, so that bodies are not
chunked. TLS is verified always; a token goes to its own host alone."""

import io
import select
import socket
import time

from moult_boot import Error

TIMEOUT = 15000  # ms without a byte, until a server is given up
PATIENCE = 60000  # ms for LEAST bytes of an answer: one that trickles is given up
LEAST = 1024
CA = "config/ca.pem"  # whom to trust; PEM, one certificate or several
_HEAD = 32768  # bytes of headers: GitHub sends 5 KB
_LINE = 1024  # bytes of a header that are looked at


class NetworkError(Error):
    """The network or the server failed in a way that may pass."""

    transient = True


class StatusError(Error):
    """The server answered with another status than was wanted."""

    def __init__(self, text, hint, status, transient):
        super().__init__(text, hint)
        self.status, self.transient = status, transient


def split(url):
    """Returns a URL's scheme, host with port, and path. What is no http or https URL is refused."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if scheme not in ("http", "https") or not host or "@" in host or " " in url:
        raise Error("got the url %s, want one such as https://github.com/owner/name" % (url if "@" not in host else "with a password"))
    return scheme, host, "/" + path


def is_local(host):
    return host.split(":")[0] in ("127.0.0.1", "localhost")


def connect(host, secure, port, ca=CA):
    """Opens a connection that does not block. host may have a port of its own."""
    name, _, own = host.partition(":")
    try:
        address = socket.getaddrinfo(name, int(own or port), 0, socket.SOCK_STREAM)[0][-1]
        sock = socket.socket()
    except (OSError, IndexError) as e:
        raise NetworkError("find %s: %s" % (name, e), "is the network there, and its name server?")
    try:
        sock.settimeout(TIMEOUT / 1000)
        sock.connect(address)
        if secure:
            from moult.tls import wrap

            sock = wrap(sock, name, ca)
        sock.setblocking(False)
        return sock
    except Error:
        sock.close()
        raise
    except (OSError, ValueError) as e:
        sock.close()
        hint = "%s must have the authority that signed its certificate, and the clock must be right" % ca if secure else ""
        raise NetworkError("connect to %s: %s" % (host, e), hint)


class Stream(io.IOBase):
    """A connection that is read through one buffer. feed is called while it waits, so that a watchdog is content."""

    def __init__(self, sock, feed=None, size=512):
        self.sock, self.feed = sock, feed
        self.buffer = memoryview(bytearray(size))
        self.start = self.end = self.received = 0
        self.poller = select.poll()
        self.poller.register(sock, select.POLLIN)

    def fill(self, wait=True):
        """Reads what has come; returns the number of bytes, 0 at the end of the connection, None where it does not wait and nothing came."""
        deadline = time.ticks_add(time.ticks_ms(), TIMEOUT)
        while True:
            try:
                n = self.sock.readinto(self.buffer)
            except OSError as e:
                raise NetworkError("the connection broke: %s" % e)
            if n is not None:
                self.start, self.end = 0, n
                self.received += n
                return n
            if not wait:
                return None
            if self.feed:
                self.feed()
            left = time.ticks_diff(deadline, time.ticks_ms())
            if left <= 0:
                raise NetworkError("the server says nothing for %d s" % (TIMEOUT // 1000))
            self.poller.poll(min(left, 500))

    def line(self):
        """Returns a line of the head without its end, cut where it is very long."""
        out = b""
        while True:
            if self.start == self.end and not self.fill():
                raise NetworkError("the connection ended within the head of the answer")
            part = bytes(self.buffer[self.start : self.end])
            end = part.find(b"\n") + 1
            self.start += end or len(part)
            out = (out + (part[:end] if end else part))[:_LINE]
            if end:
                return out.decode().strip()

    def send(self, data):
        """Sends all of it."""
        data = memoryview(data)
        deadline = time.ticks_add(time.ticks_ms(), TIMEOUT)
        while len(data):
            try:
                n = self.sock.write(data)
            except OSError as e:
                raise NetworkError("the connection broke: %s" % e)
            data = data[n or 0 :]
            if len(data):
                if time.ticks_diff(deadline, time.ticks_ms()) <= 0:
                    raise NetworkError("the server takes nothing for %d s" % (TIMEOUT // 1000))
                time.sleep_ms(10)

    def close(self):
        self.sock.close()


class Response(Stream):
    """An answer: its status, the headers that matter, and its body as a stream. It must be closed."""

    before = 0  # bytes that had come at the time since

    def fill(self, wait=True):
        """Reads what has come, which must be more than a trickle."""
        n = Stream.fill(self, wait)
        if time.ticks_diff(time.ticks_ms(), self.since) > PATIENCE:
            if self.received - self.before < LEAST:
                raise NetworkError("the server is too slow: got %d bytes in %d s" % (self.received - self.before, PATIENCE // 1000))
            self.since, self.before = time.ticks_ms(), self.received
        return n

    def head(self):
        self.since = time.ticks_ms()
        line = self.line().split(" ", 2)
        if len(line) < 2 or not line[0].startswith("HTTP/1.") or not line[1].isdigit():
            raise NetworkError("got an answer that is no HTTP", "another than the forge may have answered")
        self.status, self.headers, size = int(line[1]), {}, 0
        while True:
            line = self.line()
            size += len(line)
            if not line:
                break
            if size > _HEAD:
                raise NetworkError("got headers of more than %d bytes" % _HEAD)
            key, _, value = line.partition(":")
            key = key.lower()
            if key in ("location", "etag", "content-length", "content-type", "transfer-encoding", "x-ratelimit-remaining", "content-range"):
                self.headers[key] = value.strip()
        if self.headers.get("transfer-encoding", "identity") != "identity":
            raise Error("got a chunked answer to HTTP/1.0", "a proxy stands between; it must speak HTTP/1.0")
        length = self.headers.get("content-length", "")
        self.left = int(length) if length.isdigit() else None

    def readinto(self, into):
        """Reads some of the body, 0 bytes at its end. A body that ends early is an error."""
        if self.left == 0:
            return 0
        if self.start == self.end and not self.fill():
            if self.left:
                raise NetworkError("the body was cut: %d bytes are missing" % self.left)
            return 0
        n = min(len(into), self.end - self.start)
        if self.left is not None:
            n = min(n, self.left)
            self.left -= n
        into[:n] = self.buffer[self.start : self.start + n]
        self.start += n
        return n


def request(url, method="GET", headers=(), access=None, feed=None, follow=True, also=(), html=False, meter=None, signed=False):
    """Makes a request and returns the Response, whose status is 200 or one of also, or a redirect where follow is false.
    access is a host with its value of Authorization; meter is a list that counts requests; signed, that what comes is proven, and needs no TLS."""
    for _ in range(6):
        scheme, host, path = split(url)
        if scheme == "http" and not signed and not is_local(host):
            raise Error("got the url %s, want https" % url, "code that runs must come over https, or signed")
        if meter is not None:
            meter[0] += 1
        if feed:
            feed()
        response = Response(connect(host, scheme == "https", 443 if scheme == "https" else 80), feed)
        try:
            lines = ["%s %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: moult\r\n" % (method, path, host)]
            for key, value in headers:
                lines.append("%s: %s\r\n" % (key, value))
            if access and access[0] == host:
                lines.append("Authorization: %s\r\n" % access[1])
            response.send(("".join(lines) + "\r\n").encode())
            response.head()
            status, to = response.status, response.headers.get("location")
            if status in (301, 302, 303, 307, 308) and to:
                if not follow:
                    return response
                to = join(url, to)
                if scheme == "https" and not to.startswith("https:"):
                    raise Error("%s: got a redirect to %s, want one that stays on https" % (url, to))
                url = to
                response.close()
                continue
            if status != 200 and status not in also:
                raise _refused(url, response)
            if status == 200 and not html and method == "GET" and "html" in response.headers.get("content-type", ""):
                raise NetworkError("%s: got a web page" % url, "a login page or captive portal answered, or the host is no such forge")
            return response
        except BaseException:
            response.close()
            raise
    raise Error("%s: got more than 5 redirects" % url)


def join(url, to):
    """Returns where a redirect leads."""
    if "://" in to:
        return to
    scheme, host, _ = split(url)
    return scheme + ":" + to if to.startswith("//") else "%s://%s%s" % (scheme, host, to)


def _refused(url, response):
    status, hint, transient = response.status, "", response.status >= 500
    if status == 404:
        hint = "check the url; a private repository needs a token"
    elif status == 401:
        hint = "check the token"
    elif status == 429 or status == 403 and response.headers.get("x-ratelimit-remaining") == "0":
        hint, transient = "asked too often from this address; it passes within the hour, and a token raises the limit", True
    return StatusError("%s: got status %d" % (url, status), hint, status, transient)
