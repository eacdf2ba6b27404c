"""Settings: a good default for each, and a bad value is refused by the name of its variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.limits import Limits
from server import settings
from server.settings import Role, SettingsError


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for variable in settings.variables():
        monkeypatch.delenv(variable.name, raising=False)


def test_without_any_variable_the_defaults_hold():
    loaded = settings.load()

    assert (loaded.data, loaded.host, loaded.port, loaded.role) == (Path("data"), "127.0.0.1", 8080, Role.ALL)
    assert loaded.limits == Limits()
    assert loaded.database == "sqlite+aiosqlite:///data/installhub.db"


def test_each_limit_can_be_set_by_its_name(monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_STANDARD", "7")
    monkeypatch.setenv("INSTALLHUB_LIMIT_REST_WAIT", "3")

    loaded = settings.load()

    assert loaded.installation.limits == Limits(zip_mb_standard=7, rest_wait=3)


def test_what_is_given_stands_before_the_environment(monkeypatch):
    monkeypatch.setenv("INSTALLHUB_PORT", "9000")

    assert settings.load(port=9001).port == 9001


def test_origins_are_a_list_with_commas(monkeypatch):
    monkeypatch.setenv("INSTALLHUB_ALLOWED_ORIGINS", "https://a.example, http://b.example:8000/")

    assert settings.load().allowed_origins == ("https://a.example", "http://b.example:8000")


def test_an_origin_is_kept_as_browsers_write_it():
    given = ["https://UI.Example:443/", "http://ui.example:80", "http://ui.example:443", "http://[::1]:5173"]

    kept = settings.load(allowed_origins=given).allowed_origins

    assert kept == ("https://ui.example", "http://ui.example", "http://ui.example:443", "http://[::1]:5173")


@pytest.mark.parametrize("address", ["postgres://u:p@h/n", "postgresql://u:p@h/n", "postgresql+asyncpg://u:p@h/n"])
def test_a_postgresql_address_gets_our_driver(address):
    loaded = settings.load(database_url=address)

    assert loaded.database == "postgresql+asyncpg://u:p@h/n"
    assert loaded.sqlite_file is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INSTALLHUB_PORT", "eighty"),
        ("INSTALLHUB_PORT", "70000"),
        ("INSTALLHUB_ROLE", "king"),
        ("INSTALLHUB_WORKERS", "0"),
        ("INSTALLHUB_DEV", "perhaps"),
        ("INSTALLHUB_PLATFORM_VERSION", "4"),
        ("INSTALLHUB_DATABASE_URL", "mysql://u:p@h/n"),
        ("INSTALLHUB_DATABASE_URL", "nonsense"),
        ("INSTALLHUB_DATABASE_URL", "sqlite://"),
        ("INSTALLHUB_BLOBS_URL", "bundles"),
        ("INSTALLHUB_BLOBS_URL", "file:bundles"),
        ("INSTALLHUB_BLOBS_URL", "file:///a/b?c"),
        ("INSTALLHUB_BLOBS_URL", "s3://"),
        ("INSTALLHUB_BLOBS_URL", "s3://key:secret@bucket"),
        ("INSTALLHUB_BLOBS_URL", "s3://Bucket"),
        ("INSTALLHUB_BLOBS_URL", "s3://bucket/a/../b"),
        ("INSTALLHUB_BLOBS_URL", "s3://bucket?endpoint=objects.example"),
        ("INSTALLHUB_BLOBS_URL", "s3://bucket?endpoint=https://key:secret@objects.example"),
        ("INSTALLHUB_BLOBS_URL", "s3://bucket?secret=key"),
        ("INSTALLHUB_BLOBS_URL", "s3://bucket?style=guess"),
        ("INSTALLHUB_BLOBS_URL", "s3://bucket?region=a/b"),
        ("INSTALLHUB_LIMITER_URL", "redis://cache"),
        ("INSTALLHUB_LIMITER_URL", "valkey://"),
        ("INSTALLHUB_LIMITER_URL", "valkey://cache:99999"),
        ("INSTALLHUB_LIMITER_URL", "valkey://cache/one"),
        ("INSTALLHUB_LIMITER_URL", "valkey://:secret@cache?ca=/file"),
        ("INSTALLHUB_LIMITER_URL", "valkeys://:secret@cache?ca=/no/such/file"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "a.example"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "https://a.example/path"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "https://"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "*"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "https://*.example"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "https://a.example,null"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "https://user@a.example"),
        ("INSTALLHUB_ALLOWED_ORIGINS", "https://a.example?x"),
        ("INSTALLHUB_ALLOW_PRIVATE_ADDRESSES", "10.0.0.0/99"),
        ("INSTALLHUB_ALLOW_PRIVATE_ADDRESSES", "localhost"),
        ("INSTALLHUB_HUB_URL", "hub.example"),
        ("INSTALLHUB_HUB_URL", "https://user:secret@hub.example"),
        ("INSTALLHUB_HUB_URL", "https://hub.example/?x"),
        ("INSTALLHUB_HUB_CONTENT_URL", "ftp://cdn.example"),
        ("INSTALLHUB_HUB_TIMESTAMP_HOURS", "0"),
        ("INSTALLHUB_LIMIT_EXPORT_ROOTS", "many"),
        ("INSTALLHUB_LIMIT_EXPORT_ROOTS", "0"),
        ("INSTALLHUB_LIMIT_BUNDLE_DAYS", "99999999999"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name) as refused:
        settings.load()

    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("", Path("data/blobs")),
        ("file:", Path("data/blobs")),
        ("file:///mnt/bundles", Path("/mnt/bundles")),
        ("s3://bucket/folder", None),
        ("s3://bucket?endpoint=https://objects.example:9000&region=eu-central-1&style=host", None),
    ],
)
def test_bundles_are_in_a_folder_or_in_an_object_store(url, folder):
    assert settings.load(blobs_url=url).blobs_folder == folder


@pytest.mark.parametrize(
    ("name", "value"),
    [("limiter_url", "valkeys://hub:password@cache.example:6380/1"), ("metrics_token", "password-of-who-measures")],
)
def test_what_is_secret_is_not_shown(name, value):
    loaded = settings.load(**{name: value})

    assert "password" not in repr(loaded)


@pytest.mark.parametrize(
    "variable", ["blobs_url=s3", "limiter_url=valkey", "limiter_url=valkeys", "smtp_url=smtp", "hub_url=https"]
)
def test_an_address_that_cannot_be_read_is_not_repeated_for_the_password_in_it(variable):
    name, _, scheme = variable.partition("=")

    with pytest.raises(SettingsError) as caught:
        # a sign that stands for several, one of which is a separator of addresses
        settings.load(**{name: f"{scheme}://hub:geheim\N{ACCOUNT OF}@cache.example:6380/1"})

    assert str(caught.value).startswith(f"INSTALLHUB_{name.upper()}: ")
    assert "geheim" not in str(caught.value)


def test_every_bad_value_is_told_at_once(monkeypatch):
    monkeypatch.setenv("INSTALLHUB_PORT", "x")
    monkeypatch.setenv("INSTALLHUB_ROLE", "x")

    with pytest.raises(SettingsError) as caught:
        settings.load()

    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["INSTALLHUB_PORT", "INSTALLHUB_ROLE"]


def test_a_slip_of_the_keyboard_is_noticed():
    names = ["INSTALLHUB_POTR", "INSTALLHUB_PORT", "installhub_host", "PATH"]

    assert settings.unknown_variables(names) == ["INSTALLHUB_POTR"]


@pytest.mark.parametrize(("host", "is_local"), [("127.0.0.1", True), ("::1", True), ("localhost", True)])
def test_this_machine_is_known(host, is_local):
    assert settings.is_loopback(host) is is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "hub.example.com", ""])
def test_every_other_address_is_public(host):
    assert not settings.is_loopback(host)


def test_what_is_printed_of_the_settings_holds_no_secret(monkeypatch):
    monkeypatch.setenv("INSTALLHUB_DATABASE_URL", "postgresql+asyncpg://user:secret-1@host/name")
    monkeypatch.setenv("INSTALLHUB_SMTP_URL", "smtp://user:secret-2@host:25")
    monkeypatch.setenv("INSTALLHUB_HUB_TOKEN", "secret-3")

    loaded = settings.load()

    assert loaded.smtp_url
    assert "secret-" not in f"{loaded!r} {loaded}"
