"""Who may ask."""

import pytest

from vidskim.errors import SettingsError
from vidskim.serve.access import Access, is_loopback

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "videos.example.org", ""])
def test_others_may_not_reach_a_server_without_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="can be reached from other machines, so a token is needed"):
        Access.of(host, token=None)
    with pytest.raises(SettingsError, match="can be reached"):
        Access.of(host, token="")
    assert Access.of(host, token=TOKEN).token == TOKEN


def test_a_short_token_is_none() -> None:
    with pytest.raises(SettingsError, match="32 characters or more, received 31"):
        Access.of("127.0.0.1", token=TOKEN[:-1])
    with pytest.raises(SettingsError, match="printable ASCII"):
        Access.of("127.0.0.1", token="ü" * 32)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("LocalHost", True),
        ("10.0.0.1", False),
        ("a", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_session_tells_nothing_of_the_token_and_changes_with_it() -> None:
    first, second = Access.of("::", token=TOKEN), Access.of("::", token=TOKEN[::-1])
    assert TOKEN not in first.session
    assert first.session != second.session
    assert first.allows_session(first.session)
    assert not first.allows_session(second.session)


def test_the_address_itself_is_a_name() -> None:
    access = Access.of("192.168.1.5", token=TOKEN, names=["Videos.Example.org"])
    assert access.allows_host("192.168.1.5:8000")
    assert access.allows_host("videos.example.ORG")
    assert not access.allows_host("192.168.1.6")
    assert not Access.of("0.0.0.0", token=TOKEN).allows_host("0.0.0.0:80")


def test_what_is_no_text_or_no_address_is_refused() -> None:
    access = Access.of("::", token=TOKEN)
    assert not access.allows_token("\ud800")
    assert not access.allows_origin("http://[", host="localhost")
