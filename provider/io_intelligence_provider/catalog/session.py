"""Sends one request and returns the body or raises a typed error. Built on :class:`requests.Session`."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    InvalidHeader,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    ProxyError,
    SSLError,
)

from io_intelligence_provider import __version__
from io_intelligence_provider.catalog.adapter import (
    BoundedAdapter,
    Exchange,
    RefusedResponseError,
    current_exchange,
    quiet,
    within,
)
from io_intelligence_provider.catalog.auth import (
    Authenticator,
    ClientCredentials,
    Credential,
    FixedCredential,
)
from io_intelligence_provider.catalog.http_errors import (
    Answer,
    blocked_by_edge,
    ends_early,
    error_from_response,
    excerpt,
)
from io_intelligence_provider.catalog.proxies import Proxy, proxy_for
from io_intelligence_provider.catalog.retry import Deadline, RetryableError, parse_retry_after, retrying
from io_intelligence_provider.catalog.settings import ClientSettings, is_loopback
from io_intelligence_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    ResponseError,
    ServerError,
    TransportError,
)
from io_intelligence_provider.redaction import Redactor, Secret, redact_url, without_frames

__all__ = ["Transport"]

log = logging.getLogger(__name__)

_MAX_REDIRECTS: Final = 5
_HEADERS: Final = {
    "User-Agent": f"airflow-provider-io-intelligence/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_CREDENTIAL_HEADERS: Final = ("Authorization", "X-Guest-Session-ID")


class Transport:
    """Sends the requests of one client; threads may share it."""

    def __init__(self, settings: ClientSettings, on_secret: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        secrets = (settings.token, settings.guest_session_id, settings.client_secret)
        self.redactor = Redactor(secrets, on_secret)
        self._session = _Session(settings, self.redactor)
        self._auth: Authenticator = FixedCredential(settings.token, settings.guest_session_id)
        if settings.token_url:
            self._auth = ClientCredentials(settings, self._post_form, self.redactor)

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def get(self, path: str, params: Mapping[str, str | int], deadline: Deadline) -> Answer:
        """Return the response to ``GET base_url + path``, with retries.

        :raises IOIntelligenceError: the class of errors.py for the last failure.
        """
        return self._retrying(deadline, self._get_once, f"{self.settings.base_url}{path}?{urlencode(params)}")

    def _retrying(self, deadline: Deadline, send: Callable[..., Answer], *arguments: Any) -> Answer:
        settings = self.settings
        policy = retrying(settings.max_retries, settings.backoff, settings.max_backoff, deadline)
        return policy(send, deadline, *arguments)

    def _get_once(self, deadline: Deadline, url: str) -> Answer:
        credential = self._auth.credential(deadline)
        try:
            return self._send(deadline, "GET", url, credential)
        except AuthenticationError as error:
            if error.status != 401 or not self._auth.renew(credential):
                raise
        return self._send(deadline, "GET", url, self._auth.credential(deadline))

    def _post_form(self, url: str, credential: Credential, body: bytes, deadline: Deadline) -> Answer:
        # The token endpoint gets a separate retry policy, within the time left of the walk.
        return self._retrying(deadline, self._send, "POST", url, credential, body)

    def _send(
        self, deadline: Deadline, method: str, url: str, credential: Credential, body: bytes | None = None
    ) -> Answer:
        """Send one request, follow its redirects, and return the final 2xx with a body."""
        answer = self._exchange(deadline, method, url, credential, body)
        log.debug("%s answered %d", answer.asked, answer.status)
        for_token = method != "GET"
        # Gateways respond with 201 or 203 too. Without a body there is nothing to read.
        is_read = answer.status == 200 or (200 <= answer.status < 300 and (for_token or answer.body))
        if is_read and not blocked_by_edge(answer):
            if "Content-Length" in answer.headers or not ends_early(answer.body):
                return answer
            cut = TransportError(
                f"{answer.asked} answered {answer.shown_status(self.redactor.clean, for_token=for_token)} "
                "with JSON that is cut short, without a Content-Length. Check the network and the proxy."
            )
            raise RetryableError(cut)
        retry_after = parse_retry_after(answer.headers.get("Retry-After"))
        error = error_from_response(answer, retry_after, self.redactor.clean, for_token=for_token)
        if isinstance(error, (RateLimitError, ServerError, TransportError)):
            raise RetryableError(error, retry_after)
        raise error

    def _exchange(
        self, deadline: Deadline, method: str, url: str, credential: Credential, body: bytes | None
    ) -> Answer:
        """Return the complete response to one request; every transport failure is retryable."""
        deadline.check()
        exchange = Exchange(deadline, url)
        failure: Exception
        try:
            # Any exception, even a task's timeout, because the libraries' frames hold the headers as text.
            with quiet(), within(exchange):
                status, headers, content, sent = without_frames(
                    lambda: self._session.ask(method, url, credential, body), BaseException
                )
        except RefusedResponseError as refused:
            failure = ResponseError(f"{self._asked(method, url, exchange)[0]} {refused}")
        except requests.TooManyRedirects:
            asked = self._asked(method, url, Exchange(deadline, url))[0]
            failure = ResponseError(f"{asked} was redirected more than {_MAX_REDIRECTS} times.")
        except (HTTPError, HTTPException, OSError, ValueError) as error:  # requests' errors are OSErrors
            failure = self._broken(method, url, exchange, _cause(error))
        else:
            asked, way = self._asked(method, url, exchange)
            withheld = bool(credential.headers) and not sent
            return Answer(asked, way, status, headers, content, sent, withheld)
        # Raised outside `except`, so that it has no context: the library's error may hold the request.
        deadline.check()
        raise failure

    def _asked(self, method: str, url: str, exchange: Exchange) -> tuple[str, str]:
        """Return the request and its way, for a message.

        The query is only shown for the API's URL, where it is page, page_size and q.
        """
        hops = []
        if exchange.url != url:
            hops.append(f"redirected to {self.redactor.clean(redact_url(exchange.url))}")
        if exchange.proxy_source:
            hops.append(f"through the proxy that {exchange.proxy_source} names")
        way = f" ({', '.join(hops)})" if hops else ""
        shown = url if method == "GET" else redact_url(url)
        return f"{method} {self.redactor.clean(shown)}{way}", way

    def _broken(
        self, method: str, url: str, exchange: Exchange, error: Exception
    ) -> TransportError | RetryableError:
        """Return the error for a broken exchange, without the library's exception."""
        asked, _ = self._asked(method, url, exchange)
        reason = excerpt(_reason(error), self.redactor.clean)
        broken = TransportError(f"{asked} failed: {reason}. {self._advice(exchange.url, error)}")
        if _is_final(error):
            return broken
        return RetryableError(broken)

    def _advice(self, url: str, error: Exception) -> str:
        text = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in text or isinstance(error, ssl.SSLCertVerificationError):
            return (
                "The host's certificate is not trusted for this name: set `verify` to the path of the CA "
                "bundle that signed it (SSL_CERT_FILE and REQUESTS_CA_BUNDLE count too), or correct the host."
            )
        host = urlsplit(self.settings.base_url)
        assumed = (
            self.settings.https_assumed
            and not self._session.tls_worked
            and urlsplit(url)[:2] == host[:2]
            and not isinstance(error, NameResolutionError)
        )
        speaks_http = isinstance(error, SSLError) and _is_final(error)
        if assumed:
            does = "The server speaks no TLS: https" if speaks_http else "https"
            return (
                f"{does} was assumed, because the host has no scheme. If it speaks plain http, "
                f"write http://{host.netloc}; else check the host, the network, the proxy and `verify`."
            )
        if isinstance(error, SSLError):
            return "Check that the server speaks https there (else write http://), the proxy and `verify`."
        return "Check the host, the network and the proxy."


class _Session(requests.Session):
    """A requests session without ``~/.netrc``, cookies and environment settings other than proxies.

    A credential is only sent to the host it is meant for. Every redirect uses the proxy for its URL.

    :param redactor: gets the credentials of the proxies.
    :raises ConfigurationError: when a proxy is not an http(s) URL, or a CA bundle of the environment is
        invalid.
    """

    def __init__(self, settings: ClientSettings, redactor: Redactor) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = _MAX_REDIRECTS
        self._settings, self._redactor = settings, redactor
        self._no_cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._prepared: dict[tuple[str, str], requests.PreparedRequest] = {}
        self.tls_worked = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter(settings.connect_timeout, settings.read_timeout))
        for url in filter(None, (settings.base_url, settings.token_url)):
            self.proxy(url)  # refuses an invalid proxy at once

    def ask(
        self, method: str, url: str, credential: Credential, body: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes, frozenset[str]]:
        """Return status, headers, body and the names of the credential headers sent to the last host.

        :raises RefusedResponseError: when a redirect is not followed, or the body is not read.
        """
        path, mark, query = url.partition("?")
        if (method, path) not in self._prepared:
            headers = _HEADERS if body is None else _HEADERS | _FORM
            # Not prepared by the session, which would merge its own settings; once, because it takes long.
            prepared = requests.Request(method, path, headers=headers, cookies=self._no_cookies).prepare()
            self._prepared[method, path] = prepared
        request = self._prepared[method, path].copy()
        request.url = f"{request.url}{mark}{query}"
        request.prepare_auth(credential)
        if body is not None:
            request.prepare_body(body, None)
        response = self.send(
            request, stream=True, verify=self._settings.verify, cert=None, proxies=self._proxies(url)
        )
        sent = frozenset(name for name in _CREDENTIAL_HEADERS if name in response.request.headers)
        self.tls_worked = self.tls_worked or str(response.url).startswith("https:")
        return response.status_code, response.headers, response.raw.getvalue(), sent

    def proxy(self, url: str) -> Proxy | None:
        """Return the proxy for ``url``; the environment is read again each time.

        :raises ConfigurationError: when the environment names an invalid one, or one on another machine for
            what is only safe on this one.
        """
        proxy = proxy_for(url, self._settings.proxy)
        scheme = urlsplit(url).scheme
        unverified = self._settings.verify is False and scheme == "https"
        in_clear = url == self._settings.token_url and scheme == "http"
        if (unverified or in_clear) and proxy is not None and not is_loopback(proxy.address):
            allowed = "verify=false is" if unverified else "A token_url without https is"
            raise ConfigurationError(
                f"{allowed} for this machine only, and {proxy.source} names a proxy on another one, which "
                "would receive the credential. Add the host to NO_PROXY, or leave the proxy out."
            )
        if proxy is not None and proxy.user is not None:
            self._redactor.add(proxy.credential)
            # Some proxies expect a token as the user.
            self._redactor.add(proxy.password if proxy.password.reveal() else Secret(proxy.user))
            self._redactor.add(Secret(proxy.user), identifier=True)
        return proxy

    def _proxies(self, url: str) -> dict[str, str]:
        proxy = self.proxy(url)
        current_exchange().proxy_source = proxy.source if proxy else ""
        return {urlsplit(url).scheme: proxy.url} if proxy else {}

    def rebuild_proxies(self, prepared_request: requests.PreparedRequest, proxies: Any) -> dict[str, str]:  # noqa: ARG002
        """Return the proxies of the next hop; called by requests."""
        return self._proxies(str(prepared_request.url))

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Drop the credential on the way to another host, for good; called by requests."""
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            for name in _CREDENTIAL_HEADERS:
                prepared_request.headers.pop(name, None)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the target of a redirect, ``None`` without one; called by requests.

        :raises RefusedResponseError: when the target must not be followed.
        """
        try:
            target = super().get_redirect_target(resp)
            hop = urljoin(str(resp.url), target or "")
            parts = urlsplit(hop)
            fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        except ValueError:
            target, hop, fits = "", "", False
        if target is None or (fits and not target):
            return None
        if resp.request.method != "GET":
            raise RefusedResponseError("was answered with a redirect; give the final URL.")
        if not fits:
            raise RefusedResponseError("was redirected to something that is not an http(s) URL.")
        clean = self._redactor.clean
        if clean(hop) != hop and clean(str(resp.url)) == resp.url:
            raise RefusedResponseError("was redirected to a URL that repeats the credential; not followed.")
        if self._settings.verify is False and not is_loopback(hop):
            raise RefusedResponseError(
                f"was redirected to {clean(redact_url(hop))}, which verify=false does not allow."
            )
        return target


def _cause(error: Exception) -> Exception:
    """Return urllib3's error from the errors of requests that wrap it."""
    while (
        isinstance(error, requests.RequestException) and error.args and isinstance(error.args[0], Exception)
    ):
        error = error.args[0]
    return error.reason if isinstance(error, MaxRetryError) and error.reason else error


def _reason(error: Exception) -> str:
    """Return the libraries' description of a failure, without those that quote the server.

    A quote may hold a secret: a token in place of a status line, a header line, a chunk size.
    """
    cause = next((arg for arg in error.args if isinstance(arg, Exception)), error)
    for one in (error, cause):
        quotes = isinstance(one, (HTTPException, InvalidHeader, ValueError)) and not isinstance(one, OSError)
        if quotes and type(one) is not IncompleteRead:
            return " of ".join(dict.fromkeys(type(part).__name__ for part in (error, one)))
    return f"{type(error).__name__}: {error}"


def _is_final(error: Exception) -> bool:
    """Return whether a retry cannot help: the certificate does not match, or the URL is invalid."""
    cause = error.original_error if isinstance(error, ProxyError) else error
    if isinstance(cause, SSLError):
        # The peer closed the connection within TLS, which may pass with a retry.
        return not (cause.args and isinstance(cause.args[0], (ssl.SSLEOFError, ssl.SSLZeroReturnError)))
    invalid = (LocationValueError, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
    return isinstance(cause, invalid)
