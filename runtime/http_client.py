"""Creates every HTTP client of the product.

None takes a proxy, a user or a password from the environment: one variable there that httpx cannot read would stop the
whole worker, and a proxy meant for something else would get the requests.
"""

from __future__ import annotations

import ssl

import httpx


class CertificatesError(Exception):
    """The environment names CA certificates that cannot be loaded. The message is one line that says which."""


def certificates() -> ssl.SSLContext:
    """Returns the CA certificates to trust: of SSL_CERT_FILE or SSL_CERT_DIR if one is set, else certifi's. Raises
    `CertificatesError`."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or type(error).__name__
        raise CertificatesError(f"SSL_CERT_FILE: cannot load CA certificates: {reason}") from None


def new_http_client(
    timeout: httpx.Timeout | float, connections: int | None = None, base_url: str = "", proxy: str | None = None
) -> httpx.AsyncClient:
    """Creates a client that follows no redirect and uses no proxy but the given one; `timeout` is in seconds.

    Raises `CertificatesError`, and `ValueError` or `httpx.InvalidURL` if httpx does not take the proxy's URL.
    """
    return httpx.AsyncClient(
        base_url=base_url,
        proxy=proxy,
        timeout=timeout,
        limits=httpx.Limits(max_connections=connections),
        verify=certificates(),
        trust_env=False,
        follow_redirects=False,
    )
