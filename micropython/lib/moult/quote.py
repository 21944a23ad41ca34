"""The %-escapes of URLs: of tags, and of a broker's user and password."""

from moult_boot import Error


def quote(text):
    """Escapes a tag for a URL; its slashes stay."""
    return "".join([chr(b) if b < 128 and (chr(b).isalpha() or chr(b).isdigit() or chr(b) in "-._~/") else "%%%02X" % b for b in text.encode()])


def unquote(text):
    """Undoes the escapes."""
    try:
        first, *more = text.encode().split(b"%")
        for part in more:
            first += bytes([int(part[:2], 16)]) + part[2:]
        return first.decode()
    except ValueError:
        raise Error("got %s, whose escapes are none" % text)
