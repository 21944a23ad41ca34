"""TLS that is verified always, against the certificates in a file."""

from moult_boot import Error


def wrap(sock, name, ca):
    """Puts TLS over a socket, verified against the certificates in the file ca."""
    try:
        import tls
    except ImportError:  # before 1.23
        import ssl as tls
    context = hasattr(tls, "SSLContext")
    if context:
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED
    trusted = None
    for der in _certificates(ca):
        if context:
            context.load_verify_locations(der)
        trusted = der
    if not trusted:
        raise Error("connect to %s: got no certificate to trust in %s" % (name, ca), "make it with scripts/board-ca.sh, and copy it to the board")
    if context:
        return context.wrap_socket(sock, server_hostname=name)
    return tls.wrap_socket(sock, server_hostname=name, cert_reqs=tls.CERT_REQUIRED, cadata=trusted)


def _certificates(name):
    """Yields the certificates of a PEM file, one by one."""
    from binascii import a2b_base64

    try:
        with open(name) as f:
            der = None
            for line in f:
                if "BEGIN CERT" in line:
                    der = bytearray()
                elif "END CERT" in line and der:
                    yield bytes(der)
                    der = None
                elif der is not None:
                    der.extend(a2b_base64(line.encode()))
    except OSError:
        pass
