"""Everything an operator can set: variables ``INSTALLHUB_*``, their defaults and meanings (decisions R32, R35, R40)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, ValidationError, ValidationInfo, create_model, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from domain import versions
from domain.limits import Installation, Limits
from domain.notices.letters import is_address
from storage.s3_place import s3_place
from storage.valkey_place import valkey_place

Model = TypeVar("Model", bound=BaseSettings)

PREFIX = "INSTALLHUB_"
LIMIT_PREFIX = f"{PREFIX}LIMIT_"
SQLITE = "sqlite+aiosqlite"
POSTGRESQL = "postgresql+asyncpg"
DEV_ISSUER = "installhub-dev"

_DRIVERS = {"sqlite": SQLITE, SQLITE: SQLITE, "postgres": POSTGRESQL, "postgresql": POSTGRESQL, POSTGRESQL: POSTGRESQL}
_LIMIT_MEANINGS: Mapping[str, str] = {
    "exports_per_user_minute": "exports a user may make a minute",
    "exports_per_tenant_hour": "exports a tenant may make an hour",
    "export_roots": "roots of one export",
    "export_artifacts": "artifacts of one export",
    "export_depth": "references in a row that an export follows",
    "zip_mb_standard": "MB of a ZIP for a tenant of plan Standard",
    "zip_mb_enterprise": "MB of a ZIP for a tenant of plan Enterprise",
    "artifacts_standard": "artifacts of one import, plan Standard",
    "artifacts_enterprise": "artifacts of one import, plan Enterprise",
    "pause_hours": "hours an import waits for decisions",
    "remind_hours": "hours before an import that waits for somebody is given up, when its submitter is told",
    "plan_days": "days a plan may be applied",
    "activation_days": "days an import that is held waits to be switched on",
    "undo_days": "days an import can be undone at least",
    "scan_seconds": "seconds the security scan of an import may take",
    "install_seconds": "seconds the installation stage may take",
    "verify_seconds": "seconds the verification stage may take",
    "rest_wait": "seconds a REST import waits for its end before it answers that it goes on",
    "download_seconds": "how many seconds the bytes of one package of an install may take",
    "queued_imports": "imports of a tenant that may wait in line",
    "bundle_days": "days the bytes of an export are kept",
    "used_bundle_days": "days the bytes of an import are kept after its end",
    "submission_mb": "MB of a package that a publisher submits",
    "submission_artifacts": "artifacts of a package that a publisher submits",
    "submissions_per_publisher_day": "packages a publisher may submit a day",
    "reported_tenants": "tenants of one other installation whose installs this server's hub counts",
    "logins_per_user_minute": "attempts to sign in to the Akana-compatible door a minute for a user",
    "logins_per_address_minute": "attempts to sign in there a minute from one address",
    "session_minutes": "minutes a session there lasts unless it is renewed",
    "header_seconds": "seconds the head of a request may take to arrive",
    "body_seconds": "seconds a body may take to arrive, and one more for each MB of it that came",
    "answer_seconds": "seconds a caller may take nothing of an answer before the connection is cut",
    "streams_per_user": "sockets and event streams of GraphQL a user may have open with one process",
    "streams_per_tenant": "sockets and event streams of GraphQL that may be open for a tenant with one process",
    "operations_per_socket": "operations that may go on at once on one socket",
    "query_nodes": "things that all lists of one GraphQL operation could hold, by the sizes of their pages",
    "operation_seconds": "seconds a GraphQL operation, or an event of a subscription, may take",
}
_ORIGIN = re.compile(r"(https?)://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?")
#: pages of this machine, which `--dev` lets call
_OF_THIS_MACHINE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_WEB_ADDRESS = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
_MAIL_SERVER = re.compile(r"smtps?://([^\s/@:?#]+(:[^\s/@:?#]*)?@)?[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")
#: a folder by its whole path, or none: the usual one
_FILES = re.compile(r"file:(//(/[^/?#%]+)+/?)?")
_USUAL_PORTS = {"http": "80", "https": "443"}
#: the longest span is bundle_days; a thousand years of it is still a date
_LIMIT_MAX = 365_000


class Role(Enum):
    """What a process of the server does."""

    ALL = "all"
    WEB = "web"
    WORKER = "worker"


class SettingsError(ValueError):
    """A variable has a value that cannot be used. The message names the variable."""


_LIMIT_FIELDS: dict[str, Any] = {
    field.name: (Annotated[int, Field(ge=1, le=_LIMIT_MAX)], field.default) for field in fields(Limits)
}
_LimitVariables = create_model("_LimitVariables", __base__=BaseSettings, **_LIMIT_FIELDS)


class Settings(BaseSettings):
    """The settings of one process. Make one with :func:`load`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data: Path = Field(Path("data"), description="folder of the database, the bundles and the development keys")
    database_url: str = Field(
        "",
        repr=False,
        description="`sqlite+aiosqlite:///path` or `postgresql+asyncpg://user:password@host/name`;"
        " empty: the file `installhub.db` in the data folder",
    )
    blobs_url: str = Field(
        "",
        description="where bundles are kept: `file:///folder`, or `s3://bucket/folder?endpoint=https://…&region=…` with"
        " the credentials in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or what AWS gives its machines;"
        " empty: the folder `blobs` in the data folder",
    )
    limiter_url: str = Field(
        "",
        repr=False,
        description="where rates are counted: `valkey://user:password@host:port/number`, or `valkeys://…` for TLS"
        " (`?ca=file` to trust one authority alone); empty or `memory:`: by each process for itself",
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="port to listen on; 0 takes a free one")
    role: Role = Field(Role.ALL, description="`all`, `web` (serves, runs no imports) or `worker` (runs imports only)")
    worker_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0,
        description="port at which a process that only runs imports answers `GET /healthz`, `/readyz` and `/metrics`;"
        " 0: it listens on nothing",
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(4, description="imports one process runs at the same time")
    platform_version: str = Field("4.2.0", description="version that bundles carry and targets compare with")
    jwks: str = Field("", description="file or https address of the keys that tokens are signed with")
    issuer: str = Field("", description="the `iss` a token must have")
    audience: str = Field("installhub", description="the `aud` a token must have")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins of web pages that may call, with commas between; `--dev` adds this machine's"
    )
    socket_message_kb: Annotated[int, Field(ge=64, le=1024)] = Field(
        64, description="KB that one message of a socket may hold"
    )
    answers_mb: Annotated[int, Field(ge=0, le=1024)] = Field(
        16, description="MB of answers to GraphQL queries kept until something is written; 0 keeps none"
    )
    lease_seconds: Annotated[int, Field(ge=3, le=3600)] = Field(
        30, description="seconds without a sign of life after which another worker begins an import again"
    )
    metrics_token: str = Field(
        "",
        repr=False,
        description="the bearer token that `GET /metrics` asks for; empty: only callers on this machine may read it",
    )
    allow_private_addresses: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (),
        description="private networks that hubs, webhooks and publishers' websites may be reached in, with commas"
        " between, such as `10.1.0.0/16`; without TLS nothing else is reached",
    )
    hub_url: str = Field(
        "", description="address of the hub that packages are installed from; empty: this server's own"
    )
    hub_content_url: str = Field(
        "", description="where that hub's packages lie, such as a CDN; empty: below its address, at `/hub/targets`"
    )
    hub_root: str = Field(
        "",
        description="what that hub is known by: a file with root metadata, `sha256:` and the hash of its first root,"
        " or `first-use` to believe whatever it sends first",
    )
    hub_token: str = Field(
        "",
        repr=False,
        description="the token that hub gave to this installation, to be told of installs and reviews (scope"
        " `marketplace:report`); empty: it is told nothing",
    )
    hub_token_file: str = Field(
        "", description="a file with that token instead, read each time: whoever renews the token writes it anew"
    )
    hub_root_days: Annotated[int, Field(ge=2, le=3650)] = Field(
        365, description="days the root metadata of this server's own hub is good"
    )
    hub_index_days: Annotated[int, Field(ge=1, le=365)] = Field(
        7, description="days the list of packages of this server's own hub is good"
    )
    hub_timestamp_hours: Annotated[int, Field(ge=1, le=720)] = Field(
        24, description="hours after which others no longer believe this server's own hub, if it falls silent"
    )
    public_url: str = Field(
        "",
        description="how people reach this server, for links in mails; where it is `https://…`, cookies of the"
        " Akana-compatible door are for TLS alone",
    )
    smtp_url: str = Field(
        "",
        repr=False,
        description="the mail server, `smtp://user:password@host:port` or `smtps://…`; empty: mails are written into"
        " the folder `mail` in the data folder",
    )
    mail_from: str = Field("installhub@localhost", description="the address that mails come from")
    market_public: bool = Field(
        default=True,
        description="whether packages, versions and reviews of the marketplace are shown without a token, and others"
        " may install from this server's hub",
    )
    graphiql: bool = Field(
        default=True,
        description="whether the page at `/graphql` is GraphiQL, where `make graphiql` made it; else a smaller one",
    )
    introspection: bool = Field(
        default=True, description="whether GraphQL tells its schema to callers; `__typename` is always answered"
    )
    trusted_documents: str = Field(
        "",
        description="GraphQL documents that callers may ask by name: a JSON file of names and texts, Apollo's manifest,"
        " or a folder of such files and of `.graphql` files",
    )
    trusted_documents_only: bool = Field(
        default=False, description="whether GraphQL answers these documents and no others"
    )
    test_probes: bool = Field(
        default=False,
        description="whether the GraphQL schema has the probes of [docs/probes.md](docs/probes.md), for load and leak"
        " tests; refused unless the server listens on this machine alone",
    )
    scan_rules: str = Field(
        "",
        description="a folder of YARA files (`*.yar`) that packages are scanned by as well; a rule's meta `severity`"
        " (`Low` to `Critical`; `High` without it) and `message` are what a finding says. Read at the start",
    )
    advisories: str = Field(
        "",
        description="a folder of security advisories in the OSV format (`*.json`), for the packages that a package"
        " needs and those that its artifacts name. Read at the start; nothing is fetched",
    )
    dev: bool = Field(default=False, description="as `serve --dev`: own key pair, this machine only")
    limits: Limits = Field(default_factory=Limits, exclude=True)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not url:
            return url
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ValueError("this is no database address") from error
        if parsed.drivername not in _DRIVERS or not parsed.database:
            raise ValueError(f"give {SQLITE}:///path or {POSTGRESQL}://user:password@host/name")
        return parsed.set(drivername=_DRIVERS[parsed.drivername]).render_as_string(hide_password=False)

    @field_validator("blobs_url")
    @classmethod
    def _known_blobs(cls, url: str) -> str:
        if url and not _FILES.fullmatch(url):
            s3_place(url)
        return url

    @field_validator("limiter_url")
    @classmethod
    def _known_limiter(cls, url: str) -> str:
        if url not in ("", "memory:"):
            valkey_place(url)
        return url

    @field_validator("platform_version")
    @classmethod
    def _semantic_version(cls, version: str) -> str:
        if not versions.is_semver(version):
            raise ValueError("this is no semantic version such as 4.2.0")
        return version

    @field_validator("test_probes")
    @classmethod
    def _only_here(cls, wanted: bool, others: ValidationInfo) -> bool:  # noqa: FBT001 - the library's signature
        host = str(others.data.get("host", ""))
        if wanted and not is_loopback(host):
            raise ValueError(f"probes are for this machine alone, and {host} is a public address")
        return wanted

    @field_validator("allow_private_addresses", mode="before")
    @classmethod
    def _split(cls, networks: str | Iterable[str]) -> list[str]:
        parts = networks.split(",") if isinstance(networks, str) else networks
        return [part.strip() for part in parts if part.strip()]

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, url: str) -> str:
        # what is wrong is not shown: it may hold a password
        if url and (not _MAIL_SERVER.fullmatch(url) or urlsplit(url).port == 0):
            raise ValueError("this is no address such as smtp://mail.example.com")
        return url

    @field_validator("mail_from")
    @classmethod
    def _mail_address(cls, address: str) -> str:
        if not is_address(address) or not address.isascii():
            raise ValueError("this is no address such as hub@example.com")
        return address

    @field_validator("hub_url", "hub_content_url", "public_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and not _WEB_ADDRESS.fullmatch(url):
            raise ValueError("this is no address such as https://hub.example.com")
        return url.rstrip("/")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _listed(cls, origins: str | Iterable[str]) -> tuple[str, ...]:
        parts = origins.split(",") if isinstance(origins, str) else origins
        return tuple(_origin(part.strip()) for part in parts if part.strip())

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this origin may call, as their browser names it (decisions section 9.5)."""
        return origin in self.allowed_origins or (self.dev and _OF_THIS_MACHINE.fullmatch(origin) is not None)

    @property
    def database(self) -> str:
        """The database's address, whether it was given or not."""
        return self.database_url or f"{SQLITE}:///{self.data / 'installhub.db'}"

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file, where it is one."""
        url = make_url(self.database)
        return Path(url.database or "") if url.drivername == SQLITE else None

    @property
    def blobs_folder(self) -> Path | None:
        """Where bundles are files; ``None`` where they are in an object store."""
        if self.blobs_url and not _FILES.fullmatch(self.blobs_url):
            return None
        return Path(self.blobs_url.removeprefix("file://").removeprefix("file:") or self.data / "blobs")

    @property
    def keys_folder(self) -> Path:
        return self.data / "keys"

    @property
    def is_local(self) -> bool:
        """True when nobody outside this machine can call."""
        return is_loopback(self.host)

    @property
    def token_issuer(self) -> str:
        """The issuer that tokens must name; development has one of its own."""
        return self.issuer or (DEV_ISSUER if self.dev else "")

    @property
    def installation(self) -> Installation:
        return Installation(self.limits, self.platform_version, self.public_url, is_market_public=self.market_public)


def load(**given: Any) -> Settings:
    """The settings from the environment, with what was given on the command line before them.

    Raises :class:`SettingsError` when a value cannot be used.
    """
    limits = _checked(_LimitVariables, LIMIT_PREFIX, {"_env_prefix": LIMIT_PREFIX})
    return _checked(Settings, PREFIX, given | {"limits": Limits(**limits.model_dump())})


def _origin(text: str) -> str:
    """An origin as browsers write it: in small letters, the scheme's usual port left out."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise ValueError("an origin is a scheme and a host, such as https://hub.example.com")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" if port in {None, _USUAL_PORTS[scheme]} else f"{scheme}://{host}:{port}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked(model: type[Model], prefix: str, values: Mapping[str, Any]) -> Model:
    try:
        return model(**values)
    except ValidationError as error:
        told = (f"{_variable(prefix, problem['loc'])}: {_reason(problem['msg'])}" for problem in error.errors())
        raise SettingsError("\n".join(told)) from error
    except UnreadableSettingError as error:
        raise SettingsError(str(error)) from error


def _variable(prefix: str, place: tuple[int | str, ...]) -> str:
    return f"{prefix}{str(place[0]).upper()}" if place else prefix


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ")


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of what can be set."""

    name: str
    default: str
    meaning: str


def variables() -> tuple[Variable, ...]:
    """Every variable, in the order in which people meet them; limits last."""
    own = [
        Variable(f"{PREFIX}{name.upper()}", _shown(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
        if name != "limits"
    ]
    limits = asdict(Limits())
    return (*own, *(Variable(f"{LIMIT_PREFIX}{n.upper()}", str(d), _LIMIT_MEANINGS[n]) for n, d in limits.items()))


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Names that look like settings and are none: a slip of the keyboard sets nothing, so somebody should know."""
    known = {variable.name for variable in variables()}
    return sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)


def _shown(default: object) -> str:
    if isinstance(default, Role):
        return default.value
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(default)
