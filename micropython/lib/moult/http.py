"""One HTTP request at a time, in constant memory: what is read goes straight into the caller's buffer. HTTP/1.0, so that bodies are not
chunked. TLS is verified always; a token goes to its own host alone."""

import socket
import time

from micropython import const
from moult_boot import Error

PATIENCE = 30000  # ms for _LEAST bytes: a server that is silent or trickles is given up
_LEAST = const(512)
_TIMEOUT = const(15)  # seconds until a connection is there
_HEAD = const(32768)  # bytes of headers: GitHub sends 5 KB
_LINE = const(1024)  # bytes of a header that are looked at


class NetworkError(Error):
    """The network or the server failed in a way that may pass. Where the server answered with another status than was wanted, it has that
    with the headers, and says itself whether it may pass."""

    transient = True
    status = 0


def split(url):
    """Returns a URL's scheme, host with port, and path. What is no http or https URL is refused."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if (scheme != "http" and scheme != "https") or not host or "@" in host or " " in url:
        raise Error("got the url %s, want http(s)://host/path" % (url if "@" not in host else "with a password"))
    return scheme, host, "/" + path


def connect(host, port, name):
    """Opens a connection. host may have a port of its own; name is the file of whom to trust, "" for no TLS."""
    sock = None
    try:
        host, _, own = host.partition(":")
        sock = socket.socket()
        sock.settimeout(_TIMEOUT)
        sock.connect(socket.getaddrinfo(host, int(own or port))[0][-1])
        if name:
            from moult.tls import wrap

            sock = wrap(sock, host, name)
        return sock
    except Exception as e:
        if sock:
            sock.close()
        raise e if isinstance(e, (Error, MemoryError)) else NetworkError("connect to %s:%s: %s" % (host, own or port, e))


class Response:
    """An answer: its status, the headers that matter, and its body. left is how much of that is to come, None where nobody knows; received,
    what came in all. It must be closed. feed is called while it waits, so that a watchdog is content."""

    def __init__(self, sock, feed, text):
        """Sends the text of a request, and reads the head of the answer."""
        self.sock, self.feed, self.close = sock, feed, sock.close
        self.status = self.received = 0
        self.headers = {}
        self.mark = time.ticks_ms(), 0  # since when _LEAST bytes are waited for, and what had come then
        self.wait(sock.write, text)
        sock.setblocking(False)
        line = b""
        while True:
            part = self.wait(sock.readline, 256)
            self.received += len(part)
            if not part or self.received > _HEAD or not self.status and not (part[:7] == b"HTTP/1." and part[9:12].isdigit()):
                raise NetworkError("got no whole head of HTTP")
            line = (line + part)[:_LINE]
            if part[-1] != 10:
                continue  # more of a long line
            key, _, value = line.strip().partition(b":")
            line = b""
            if not self.status:
                self.status = int(key[9:12])
            elif not key:
                break
            elif key.lower() in b"location etag content-length content-type content-range transfer-encoding x-ratelimit-remaining":
                self.headers[key.lower().decode()] = value.strip().decode()
        if "chunked" in self.headers.get("transfer-encoding", ""):
            raise Error("chunked: a proxy must speak HTTP/1.0")
        size = self.headers.get("content-length", "")
        self.left = int(size) if size.isdigit() else None

    def wait(self, call, data):
        """Returns what a call of the socket gives, once it gives something."""
        while True:
            try:
                n = call(data)
            except OSError as e:
                raise NetworkError("the connection broke: %s" % e)
            if n is not None:
                return n
            now = time.ticks_ms()
            if time.ticks_diff(now, self.mark[0]) > PATIENCE:
                n = self.received - self.mark[1]
                if n < _LEAST:
                    raise NetworkError("the server is too slow: %d bytes in %d ms" % (n, PATIENCE))
                self.mark = now, self.received
            if self.feed:
                self.feed()
            time.sleep_ms(5)

    def readinto(self, data):
        """Reads some of the body, 0 bytes at its end. A body that ends early is an error."""
        if self.left == 0:
            return 0
        if self.left:
            data = memoryview(data)[: self.left]
        n = self.wait(self.sock.readinto, data)
        self.received += n
        if self.left:
            if not n:
                raise NetworkError("the body was cut: %d bytes are missing" % self.left)
            self.left -= n
        return n


def request(url, headers=(), also=(), feed=None, meter=None, signed=False):
    """Makes a request and returns the Response, whose status is one of also, or 200 after redirects and with what is no web page. meter is
    a list that counts requests; signed says that what comes is proven, and needs no TLS."""
    first = None
    for _ in range(6):
        scheme, host, path = split(url)
        first = first or host
        secure = scheme == "https"
        if not (secure or signed or host.split(":")[0] in ("127.0.0.1", "localhost")):
            raise Error("got the url %s, want https" % url)
        if meter:
            meter[0] += 1
        if feed:
            feed()
        text = "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: moult\r\n" % (path, host)
        for header in headers:
            if host == first or header[0] != "Authorization":
                text += "%s: %s\r\n" % header
        sock = connect(host, 443, "config/ca.pem") if secure else connect(host, 80, "")
        try:
            r = Response(sock, feed, text + "\r\n")
            status, to = r.status, r.headers.get("location")
            if to and "://" not in to:
                to = r.headers["location"] = scheme + (":" if to[:2] == "//" else "://" + host) + to
            if status in also:
                return r
            if status == 200:
                if "html" in r.headers.get("content-type", ""):
                    raise NetworkError("%s: got a page, as of a captive portal" % url)
                return r
            if status // 100 != 3 or not to:
                e = NetworkError("%s: got status %d" % (url, status))
                e.status, e.headers, e.transient = status, r.headers, status >= 500 or status == 429
                raise e
            if secure and to[:6] != "https:":
                raise Error("%s: got a redirect to %s, want https" % (url, to))
            url = to
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise Error("%s: got more than 5 redirects" % url)
