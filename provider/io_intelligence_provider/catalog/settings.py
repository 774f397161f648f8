"""Validates the settings of a client, which are the connection's fields under the same names.

No message shows a refused value, because it may be a secret that was pasted into the wrong field.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.redaction import Secret, redact_url, sendable

__all__ = [
    "BUNDLE_VARIABLES",
    "DEFAULT_BASE_URL",
    "ClientSettings",
    "add_authorities",
    "connection_settings",
    "named",
]

DEFAULT_BASE_URL: Final = "https://api.intelligence.io.solutions"
_MAX_PAGE_SIZE: Final = 100  # 1 to 100 in the vendor's OpenAPI document


@dataclass(frozen=True)
class ClientSettings:
    """The settings of a client, validated on creation.

    The fields are the parameters of :class:`~io_intelligence_provider.catalog.client.IOIntelligenceClient`,
    which documents them.

    :raises ConfigurationError: when a value is out of bounds or two of them contradict each other.
    """

    base_url: str = DEFAULT_BASE_URL
    token: Secret | None = None
    guest_session_id: Secret | None = None
    page_size: int = _MAX_PAGE_SIZE
    concurrency: int = 4
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    max_retries: int = 5
    deadline: float = 600.0
    verify: bool | str = field(default=True, repr=False)
    proxy: str | None = field(default=None, repr=False)
    token_url: str | None = field(default=None, repr=False)
    client_id: str | None = field(default=None, repr=False)
    client_secret: Secret | None = None
    scope: str | None = field(default=None, repr=False)
    backoff: float = 0.5
    max_backoff: float = 30.0

    def __post_init__(self) -> None:
        for name in _SECRET_FIELDS:
            object.__setattr__(self, name, _credential(name, getattr(self, name)))
        for name in _TEXT_FIELDS:
            object.__setattr__(self, name, _stripped(name, getattr(self, name)))
        object.__setattr__(self, "_https_assumed", bool(self.base_url) and "://" not in self.base_url)
        object.__setattr__(self, "base_url", normalise_base_url(self.base_url or DEFAULT_BASE_URL))
        _bounded("page_size", self.page_size, 1, _MAX_PAGE_SIZE)
        _bounded("concurrency", self.concurrency, 1, 64)
        _bounded("max_retries", self.max_retries, 0, 100)
        for name in ("connect_timeout", "read_timeout", "deadline"):
            _bounded(name, getattr(self, name), 1e-3, 86_400)
        for name in ("backoff", "max_backoff"):
            _bounded(name, getattr(self, name), 0, 3_600)
        self._check_oauth()
        self._check_verify()

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("The settings of a client are not pickled: their secrets would leave it.")

    @property
    def https_assumed(self) -> bool:
        """Whether the base URL was given without a scheme."""
        return bool(self.__dict__["_https_assumed"])

    def for_one_try(self, seconds: float) -> ClientSettings:
        """Return these settings without retries, and with a deadline of at most ``seconds``."""
        settings = replace(self, max_retries=0, deadline=min(self.deadline, seconds))
        object.__setattr__(settings, "_https_assumed", self.https_assumed)
        return settings

    def with_page_size(self, page_size: int | None) -> int:
        """Return the page size of one call: the given one, otherwise the client's."""
        if page_size is None:
            return self.page_size
        _bounded("page_size", page_size, 1, _MAX_PAGE_SIZE)
        return page_size

    def _check_verify(self) -> None:
        if self.verify is True:
            return
        if self.verify is False:
            for url in filter(None, (self.base_url, self.token_url)):
                if not is_loopback(url):
                    raise ConfigurationError(
                        f"verify=false is refused for {redact_url(url)}: the credential could go to another "
                        "server. Give the path of the CA bundle that signed the host's certificate instead."
                    )
            return
        if not isinstance(self.verify, str) or not self.verify.strip():  # type: ignore[redundant-expr]
            raise ConfigurationError("verify must be true, false or the path of a CA.")
        add_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.verify, "verify")

    def _check_oauth(self) -> None:
        given = {name for name in ("token_url", "client_id", "client_secret") if getattr(self, name)}
        if given and len(given) < 3:
            missing = {"token_url", "client_id", "client_secret"} - given
            raise ConfigurationError(
                f"OAuth2 client credentials need token_url, client_id and client_secret; "
                f"missing: {', '.join(sorted(missing))}."
            )
        if given and self.token:
            raise ConfigurationError(
                "Both an API key and OAuth2 client credentials are given; give only one."
            )
        if self.token_url:
            _check_token_url(self.token_url)


BUNDLE_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables from which requests reads a CA bundle; OpenSSL itself reads SSL_CERT_FILE and SSL_CERT_DIR."""


def add_authorities(context: ssl.SSLContext, path: str, what: str) -> None:
    """Make a TLS context trust the certificates of a file or folder.

    :param what: the setting or variable that names it.
    :raises ConfigurationError: when it holds no certificates; the message does not show the path.
    """
    try:
        folder = Path(path).is_dir()
        context.load_verify_locations(None if folder else path, path if folder else None)
    except (OSError, ValueError) as error:  # SSLError is an OSError, a NUL in a path a ValueError
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no certificate"
        raise ConfigurationError(f"{what} names no usable CA: {why}.") from None


def _check_token_url(url: str) -> None:
    parts = _split("token_url", url)
    if parts.scheme != "https" and not is_loopback(url):
        raise ConfigurationError("token_url must be https, because the client secret is sent there.")


def normalise_base_url(url: str) -> str:
    """Return ``url`` with a scheme, and without a trailing ``/`` or ``/api/v1``.

    :raises ConfigurationError: for another scheme than http(s), user info, a query or a fragment.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    parts = _split("host", text)
    if parts.query or parts.fragment:
        raise ConfigurationError("The host has a query or a fragment; give the base URL alone.")
    path = parts.path.rstrip("/").removesuffix("/api/v1").rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _split(name: str, url: str) -> SplitResult:
    """Split an http(s) URL. An invalid one is not shown, because it may hold a credential anywhere."""
    if "@" in url:
        raise ConfigurationError(
            f"The {name} holds a user name or password; a credential has a field of its own "
            "(the API key: the connection's password)."
        )
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        parse_url(url)  # the HTTP library parses it again
    except (ValueError, LocationParseError):
        fits = False
    if not fits or not parts.netloc.isprintable() or " " in parts.netloc:
        raise ConfigurationError(f"The {name} is no http(s) URL with a valid host and port.")
    return parts


def is_loopback(url: str) -> bool:
    """Return whether the host of ``url`` is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bounded(name: str, value: Any, low: float, high: float) -> None:
    is_integer = name in ("page_size", "concurrency", "max_retries")
    kinds = (int,) if is_integer else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        kind = "a whole number" if is_integer else "a number"
        raise ConfigurationError(f"{name} must be {kind} from {low:g} to {high:g}.")


def _credential(name: str, secret: Any) -> Secret | None:
    """Return a secret without surrounding white space, such as a mounted file's; ``None`` when blank.

    A value that no header can carry is refused here, because the HTTP library's error would show it.
    """
    if secret is None:
        return None
    if not isinstance(secret, Secret) or not isinstance(secret.reveal(), str):
        raise ConfigurationError(f"The {name} must be a string.")
    # Tracebacks may show local variables, so none may hold the value.
    if not secret.reveal().strip():
        return None
    if not sendable(secret.reveal().strip()):
        raise ConfigurationError(
            f"The {name} has characters that an HTTP header cannot carry (a line break or a quotation "
            "mark pasted along?). Paste it again."
        )
    return Secret(secret.reveal().strip())


def _stripped(name: str, value: Any) -> str | None:
    """Return a text without surrounding white space; ``None`` when it is blank."""
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"The {name} must be a string.")
    text = (value or "").strip()
    if not text.isprintable():
        raise ConfigurationError(f"The {name} has a line break or another control character within.")
    return text or None


_SECRET_FIELDS: Final = ("token", "guest_session_id", "client_secret")
_TEXT_FIELDS: Final = ("base_url", "proxy", "token_url", "client_id", "scope")
_FLOATS: Final = ("connect_timeout", "read_timeout")
_INTEGERS: Final = ("page_size", "concurrency", "max_retries")
SECRET_EXTRAS: Final = ("guest_session_id", "client_secret", "proxy")
EXTRA_FIELDS: Final = (
    "guest_session_id",
    "page_size",
    "concurrency",
    "connect_timeout",
    "read_timeout",
    "max_retries",
    "verify",
    "proxy",
    "token_url",
    "client_id",
    "client_secret",
    "scope",
)


def connection_settings(
    *,
    host: str | None = None,
    port: int | None = None,
    schema: str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> ClientSettings:
    """Convert the fields of an Airflow connection to settings. Blank and null count as unset.

    :param extra: the connection's parsed extra. Values may be strings, because the URI form and the
        connection form give strings.
    :raises ConfigurationError: for an unknown extra, which is named and never sent, a login, or an invalid
        value.
    """
    _check_schema(schema)
    if login and login.strip():
        raise ConfigurationError(
            "The connection has a login; the API key belongs in its password (in a URI, after the colon: "
            "io-intelligence://:KEY@HOST)."
        )
    given = {key: value for key, value in (extra or {}).items() if not _blank(value)}
    unknown = set(extra or {}) - set(EXTRA_FIELDS)
    if unknown:
        secrets = [password, *(given.get(name) for name in _SECRET_FIELDS)]
        raise ConfigurationError(
            f"Unknown extra field(s) in the connection: {named(unknown, EXTRA_FIELDS, secrets)}. "
            f"Known are: {', '.join(EXTRA_FIELDS)}."
        )
    values: dict[str, Any] = {key: _typed(key, value) for key, value in given.items()}
    values["token"] = _credential("password", None if password is None else Secret(password))
    if url := _url(_stripped("host", host), port, schema):
        values["base_url"] = url
    return ClientSettings(**values)


def _check_schema(schema: str | None) -> None:
    text = (schema or "").strip().lower()
    if text in ("", "http", "https"):
        return
    if text.startswith("o_intelligence"):
        # Airflow ends the scheme at the underscore, so the rest of the URI, including the key, is in here.
        raise ConfigurationError(
            "The connection's URI begins with io_intelligence:, which Airflow cannot split: no scheme has "
            "an underscore. Begin it with io-intelligence:// (a hyphen)."
        )
    # No credential is this short.
    shown = f" is {text!r}; it" if re.fullmatch("[a-z]{1,5}", text) else ""
    raise ConfigurationError(
        f"The connection's schema{shown} is http, https or blank (in a URI, what follows the host's slash)."
    )


_WORD: Final = re.compile("(?:[A-Z]?[a-z]{1,13}|[A-Z]{1,14})(?:[A-Z][a-z]{1,13}){0,3}")
_NO_WORD: Final = re.compile("^(?:sk|pk|rk|ak|gh[a-z]|xox[a-z])[-_.]|[^aeiouy_.-]{6}", re.IGNORECASE)


def named(names: Iterable[str], known: Iterable[str], secrets: Iterable[Any] = ()) -> str:
    """List unknown names, each with the known name that it resembles.

    Only plain words are shown, because another name may be a secret in the wrong place; those are counted. A
    plain word is one to four words of letters, joined by ``_``, ``-`` or ``.``, 32 characters at most.

    :param secrets: the credentials, which never count as plain words.
    """
    hidden = [text.strip().lower() for text in secrets if isinstance(text, str) and text.strip()]
    shown, others = [], 0
    for name in sorted(names):
        words = re.split("[_.-]", name)
        plain = len(name) <= 32 and len(words) <= 4 and all(map(_WORD.fullmatch, words))
        if not plain or _NO_WORD.search(name) or any(secret in name.lower() for secret in hidden):
            others += 1
            continue
        like = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), 1, 0.8)
        shown.append(f"{name} (did you mean {like[0]}?)" if like else name)
    if others:
        shown.append(f"{others} that may be a secret in the wrong place, hence not shown")
    return ", ".join(shown)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _url(host: str | None, port: int | None, schema: str | None) -> str | None:
    text = (host or "").strip()
    scheme = (schema or "").strip().lower()
    if not text:
        return None
    if _is_ipv6(text):
        text = f"[{text}]"  # the URI form of a connection drops the brackets
    if "://" not in text:
        text = f"{scheme}://{text}" if scheme else f"//{text}"  # https is added when the URL is normalised
    try:
        parts = urlsplit(text)
    except ValueError:
        return text  # refused when the URL is normalised
    if port and ":" not in parts.netloc.rpartition("]")[2]:
        text = urlunsplit(parts._replace(netloc=f"{parts.netloc}:{port}"))
    return text.removeprefix("//")


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _typed(key: str, value: Any) -> Any:
    if key in _SECRET_FIELDS:
        return Secret(_text(key, value))
    if key == "verify":
        return _verify(value)
    if key in _INTEGERS or key in _FLOATS:
        return _number(key, value)
    return _text(key, value)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"The extra {key} must be a string.")
    return value.strip()


def _verify(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    text = _text("verify", value)
    return {"true": True, "false": False}.get(text.lower(), text)


def _number(key: str, value: Any) -> int | float:
    try:
        number = float(value) if isinstance(value, (str, int, float)) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool):
        raise ConfigurationError(f"The extra {key} must be a number.")
    return int(number) if key in _INTEGERS and number.is_integer() else number
