"""All settings of SpeedDash. The environment is read here and nowhere else."""

import difflib
import os
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from speeddash.errors import InvalidInput, SettingsError
from speeddash.reading import parse_source

PREFIX = "SPEEDDASH_"
#: Fewest characters of a token; a shorter one could be guessed.
MIN_TOKEN = 16


class Settings(BaseSettings):
    """Settings of one server. The environment variable of a field is `SPEEDDASH_` and its name in capitals.

    Names end with the unit of their number. A test compares these fields with the table in docs/configuration.md.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on; the default accepts connections from this machine alone",
    )
    port: int = Field(8765, ge=0, le=65535, description="Port to listen on; 0 takes a free port")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that serve the port together, with MySQL or MariaDB. `SPEEDDASH_NODE_URL` is the address of the first of "
        "them then, and the others get the ports after it; by default they get free ports of this machine",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Log messages as lines of `text`, or as `json` objects"
    )
    access_log: bool = Field(
        False,
        description="A log message for each request: address, method, path without its query, status, bytes and seconds",
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///speeddash.db"),
        description="Database that stores the readings: `sqlite:///FILE` or `mysql://USER:PASSWORD@HOST:3306/DATABASE`. Of several hosts, "
        "`HOST,HOST:PORT`, the one that takes writes is used",
    )
    database_timeout_s: float = Field(
        10.0, gt=0, le=3600, description="Longest time the database may take to answer a statement"
    )
    max_speed_kmh: float = Field(
        2000.0, gt=0, le=1e9, description="Highest valid speed; a reading above it is rejected"
    )
    max_frame_bytes: int = Field(
        1 << 20, ge=1024, le=1 << 30, description="Largest frame, and largest request body except an import"
    )
    ping_interval_s: float = Field(
        25.0,
        gt=0,
        le=3600,
        description="Silence after which a socket is pinged; after another interval of silence, or of accepting no data, it is closed",
    )
    max_connections: int = Field(10_000, ge=1, description="Sockets open at once; another handshake is answered 503")
    store_timeout_s: float = Field(
        30.0, gt=0, le=3600, description="Longest time an HTTP request waits for its commit before it is answered 503"
    )
    webhook_url: SecretStr | None = Field(
        None,
        description="URL that receives a POST for each event above a source's limit; retried until it answers 2xx, for about 22 hours",
    )
    notify_urls: tuple[SecretStr, ...] | None = Field(
        None,
        description="Addresses, separated by spaces, that Apprise notifies of the begin and the end of each event above a source's limit,"
        " such as `ntfy://TOPIC`; needs `pip install 'speeddash[notify]'`",
    )
    notify_min_s: float = Field(0.0, ge=0, le=86_400, description="Shortest event that is notified, in seconds")
    limit_tolerance_kmh: float = Field(
        3.0,
        ge=0,
        le=100,
        description="A speed below a source's limit by less than this does not end an event: noise around the limit is one event",
    )
    keep_raw_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Age at which readings are removed; their minutes and hours stay. By default nothing is removed",
    )
    max_import_bytes: int = Field(1 << 30, ge=1024, description="Largest file accepted by `POST /api/v1/import`")

    node_url: str | None = Field(
        None,
        max_length=200,
        description="Address at which other servers on the same database reach this one: `http://HOST:PORT`. With it set, watchers of this "
        "server get the readings of the others",
    )
    bus_url: SecretStr | None = Field(
        None,
        description="Redis or Valkey that brings readings from server to server at once: `redis://:PASSWORD@HOST:6379/0`, or "
        "`rediss://`. Without it watchers read again once a second while other servers commit",
    )

    token: SecretStr | None = Field(
        None, description="Token that permits everything. With it set, every request needs a token"
    )
    read_token: SecretStr | None = Field(None, description="Token that permits reading everything and changing nothing")
    source_tokens: Annotated[dict[str, SecretStr] | None, NoDecode] = Field(
        None,
        description="Tokens that permit sending readings of one source and nothing else: `SOURCE=TOKEN,SOURCE=TOKEN`",
    )
    allowed_origins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="Other origins whose pages may open sockets and write: `https://HOST,https://HOST`. "
        "The server accepts these hosts in `Host` too",
    )
    proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="Number of reverse proxies in front of the server: that many entries of `X-Forwarded-For` and `-Proto` are trusted",
    )
    max_address_connections: int = Field(
        1_000, ge=1, description="Sockets open at once from one client network; another handshake is answered 429"
    )
    max_readings_per_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Readings a second on one socket, with bursts of one second; a socket that sends more is closed with 1013",
    )
    max_address_readings_per_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Readings a second from one client network over sockets and HTTP together, with bursts of one second; more are "
        "answered 429 or closed with 1013, and imports are read no faster",
    )
    max_feed_readings: int = Field(
        100_000,
        ge=1_000,
        description="Recent readings held for all watchers together, about 200 bytes each; a watcher that falls further behind gets "
        "their number as `dropped`",
    )
    max_unsent_bytes: int = Field(
        1 << 26,
        ge=1 << 20,
        description="Unsent data of all sockets together; beyond it the socket with the most unsent data is closed",
    )
    request_timeout_s: float = Field(
        20.0,
        gt=0,
        le=3600,
        description="Longest time for the head of a request to arrive, and longest pause in its body",
    )

    @field_validator("token", "read_token")
    @classmethod
    def _is_token(cls, token: SecretStr | None) -> SecretStr | None:
        return None if token is None else _token(token.get_secret_value())

    @field_validator("source_tokens", mode="before")
    @classmethod
    def _are_source_tokens(cls, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        tokens: dict[str, SecretStr] = {}
        for number, pair in enumerate(text.split(","), 1):
            source, is_pair, token = pair.strip().partition("=")
            try:
                name = parse_source(source)
            except InvalidInput:
                is_pair = ""
            if not is_pair:
                raise ValueError(f"entry {number} is not SOURCE=TOKEN")
            if name in tokens:
                raise ValueError(f"source {name} has two tokens")
            tokens[name] = _token(token)
        return tokens

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _are_origins(cls, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        origins = tuple(each.strip().rstrip("/").lower() for each in text.split(","))
        for each in origins:
            parts = urlsplit(each)
            if (
                parts.scheme not in {"http", "https"}
                or each != f"{parts.scheme}://{parts.netloc}"
                or not parts.hostname
                or not _has_valid_port(each)
            ):
                raise ValueError(f"{each!r} is not an origin, such as https://speed.example.com")
        return origins

    @field_validator("notify_urls", mode="before")
    @classmethod
    def _are_addresses(cls, text: Any) -> Any:
        return text.split() or None if isinstance(text, str) else text

    @field_validator("node_url")
    @classmethod
    def _is_node(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.hostname
                or url.rstrip("/") != f"{parts.scheme}://{parts.netloc}"
                or not _has_valid_port(url)
            ):
                raise ValueError("must be an address such as http://10.0.0.1:8765")
        return url and url.rstrip("/")

    @field_validator("webhook_url")
    @classmethod
    def _is_web(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in {"http", "https"}:
            raise ValueError("must begin with http:// or https://")
        if not (parts.hostname and _has_valid_port(url.get_secret_value())):
            raise ValueError("must be an address such as https://example.org/speeds")
        return url

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment; values in `given` that are not None (the command line) override it.

        Raises:
            SettingsError: An unknown `SPEEDDASH_*` variable, or a value that its field cannot take.
        """
        known = {PREFIX + name.upper() for name in cls.model_fields}
        for key in sorted(os.environ):
            if key.upper().startswith(PREFIX) and key.upper() not in known:
                near = difflib.get_close_matches(key.upper(), known, n=1)
                raise SettingsError(key, "there is no such setting" + (f"; did you mean {near[0]}?" if near else ""))
        chosen = {name: value for name, value in given.items() if value is not None}
        try:
            settings = cls(**chosen)
        except ValidationError as invalid:
            first = invalid.errors(include_url=False)[0]
            name = str(first["loc"][0])
            key = f"--{name.replace('_', '-')}" if name in chosen else PREFIX + name.upper()
            # A secret is not shown, not even when it is wrong.
            shown = "" if SecretStr.__name__ in repr(cls.model_fields[name].annotation) else f", got {first['input']!r}"
            why = first["msg"].removeprefix("Value error, ")
            raise SettingsError(key, why[:1].lower() + why[1:] + shown) from None
        settings._check_tokens()
        settings._check_node()
        return settings

    def _check_node(self) -> None:
        """Reject settings of several servers that cannot work."""
        is_file = self.database_url.get_secret_value().startswith("sqlite")
        if self.workers > 1 and is_file:
            raise SettingsError(
                PREFIX + "WORKERS", "several workers need MySQL or MariaDB; an SQLite file is for one process"
            )
        if self.node_url is None:
            if self.bus_url is not None and self.workers == 1:
                raise SettingsError(
                    PREFIX + "BUS_URL", f"set {PREFIX}NODE_URL too: the address at which other servers reach this one"
                )
            return
        if is_file:
            raise SettingsError(PREFIX + "NODE_URL", "several servers need MySQL or MariaDB; an SQLite file is for one")
        if self.token is None and urlsplit(self.node_url).hostname != "127.0.0.1":
            raise SettingsError(PREFIX + "NODE_URL", f"set {PREFIX}TOKEN too, the same on all servers")

    def _check_tokens(self) -> None:
        """Reject equal tokens (a token identifies a role), and lesser tokens without one that permits everything."""
        others = [("READ_TOKEN", self.read_token)] if self.read_token else []
        others += [("SOURCE_TOKENS", each) for each in (self.source_tokens or {}).values()]
        taken = {self.token}
        for name, token in others:
            if self.token is None:
                raise SettingsError(PREFIX + name, f"set {PREFIX}TOKEN too: without it nothing could be administered")
            if token in taken:
                raise SettingsError(PREFIX + name, "this token is used twice; each role needs a different token")
            taken.add(token)


def _token(token: str) -> SecretStr:
    if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token or "," in token:
        raise ValueError(f"a token must be {MIN_TOKEN} or more characters of ASCII without spaces and commas")
    return SecretStr(token)


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False
