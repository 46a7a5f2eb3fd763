"""Who may ask: the address the server listens on, its token, the names it goes by."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from vidskim.errors import SettingsError

TOKEN_CHARS = 32
COOKIE = "vidskim_session"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Access:
    """Without a token only this machine may ask.

    Args:
        host: address to listen on.
        token: that every request has to carry; None asks for none.
        names: further names that requests may call the server by, such as "videos.example.org".

    Raises:
        SettingsError: the address can be reached from elsewhere and there is no token, or the token is too short.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < TOKEN_CHARS:
            raise SettingsError(
                f"the token must have {TOKEN_CHARS} characters or more, received {len(self.token)}; make one: "
                'python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise SettingsError("the token must be of printable ASCII characters: a header carries it")
        if self.token is None and not is_loopback(self.host):
            raise SettingsError(
                f"{self.host} can be reached from other machines, so a token is needed: put {TOKEN_CHARS} or more "
                "random characters into the environment variable VIDSKIM_TOKEN, or listen on 127.0.0.1"
            )

    @classmethod
    def of(cls, host: str, *, token: str | None, names: Iterable[str] = ()) -> "Access":
        """Names without regard to case."""
        return cls(host, token or None, frozenset(name.lower() for name in names))

    def allows_host(self, header: str) -> bool:
        """Whether a Host header names this server; any port. Otherwise a page could rebind its own name to it."""
        name = _host_name(header)
        known = LOOPBACK | self.names | ({self.host.lower()} - {"0.0.0.0", "::"})
        return name in known

    def allows_origin(self, origin: str, *, host: str) -> bool:
        """Whether an Origin header is this server's own."""
        try:
            return urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:  # "http://[" is no address
            return False

    def allows_token(self, presented: str) -> bool:
        """Whether a token is the right one, in constant time."""
        given = presented.encode("utf-8", "surrogatepass")  # JSON may hold half a character
        return self.token is None or hmac.compare_digest(given, self.token.encode())

    def allows_session(self, cookie: str) -> bool:
        """Whether a cookie was given out for the right token, in constant time."""
        return self.token is None or hmac.compare_digest(cookie.encode(), self.session.encode())

    @property
    def session(self) -> str:
        """What the cookie holds: made from the token, which it does not tell."""
        return hmac.new((self.token or "").encode(), b"vidskim session", hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(header: str) -> str:
    """ "[::1]:8000" -> "::1"; empty if it is no host."""
    try:
        return (urlsplit(f"//{header}").hostname or "") if header and "@" not in header else ""
    except ValueError:
        return ""
