"""Where the single-file program begins, after its launcher: the command line of the package."""

import os
import ssl
from pathlib import Path

from server.__main__ import main

# Each family of Linux has its own place for the certificates it trusts; OpenSSL here knows one.
TRUSTED = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",
)


def trust_this_system() -> None:
    """Tell OpenSSL where the certificates are, unless it or the operator knows."""
    known = ssl.get_default_verify_paths()
    if known.cafile is None and "SSL_CERT_FILE" not in os.environ:
        found = next((path for path in TRUSTED if Path(path).is_file()), None)
        if found is not None:
            os.environ["SSL_CERT_FILE"] = found


trust_this_system()
main()
