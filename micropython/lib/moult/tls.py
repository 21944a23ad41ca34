"""TLS that is verified always, against the certificates in a file."""

from binascii import a2b_base64

from moult.http import Error, NetworkError


def wrap(sock, host, name):
    """Puts TLS over a socket, verified against the certificates in the PEM file name."""
    try:
        import tls
    except ImportError:  # before 1.23
        import ssl as tls
    context = trusted = None
    if hasattr(tls, "SSLContext"):
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED
    try:
        with open(name) as f:
            der = None
            for line in f:
                if "BEGIN CERT" in line:
                    der = b""
                elif "END CERT" in line and der:
                    trusted, der = der, None
                    if context:
                        context.load_verify_locations(trusted)
                elif der is not None:
                    der += a2b_base64(line)
        if trusted and context:
            return context.wrap_socket(sock, server_hostname=host)
        if trusted:
            return tls.wrap_socket(sock, server_hostname=host, cert_reqs=tls.CERT_REQUIRED, cadata=trusted)
    except (OSError, ValueError) as e:
        if trusted:
            hint = "%s must have the authority that signed its certificate, and the clock must be right" % name
            raise NetworkError("connect to %s: %s" % (host, e), hint)
    raise Error("connect to %s: got no certificate to trust in %s" % (host, name), "make it with scripts/board-ca.sh")
