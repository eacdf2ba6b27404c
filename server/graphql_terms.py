"""On which terms GraphQL is answered here: the settings, and the trusted documents out of their files (ADR 0018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain import strict_json
from resolvers.api import API, Api, with_probes
from resolvers.documents import TrustedDocuments, hash_of
from resolvers.terms import Terms
from server.settings import Settings, SettingsError

_VARIABLE = "INSTALLHUB_TRUSTED_DOCUMENTS"
#: how Apollo's tools mark the list that they write
_APOLLO = "apollo-persisted-query-manifest"


def api_of(settings: Settings) -> Api:
    """The schema, with probes where they are asked for. Raises :class:`SettingsError` for documents nobody can read."""
    return (with_probes() if settings.test_probes else API).on(terms_of(settings))


def terms_of(settings: Settings) -> Terms:
    """The terms. Raises :class:`SettingsError`."""
    if settings.trusted_documents_only and not settings.trusted_documents:
        raise SettingsError(f"{_VARIABLE}: name the documents, if only these are to be answered")
    texts = _texts(Path(settings.trusted_documents)) if settings.trusted_documents else {}
    return Terms(
        introspection=settings.introspection,
        nodes_max=settings.limits.query_nodes,
        seconds_max=float(settings.limits.operation_seconds),
        documents=TrustedDocuments(texts, are_all=settings.trusted_documents_only),
    )


def _texts(place: Path) -> dict[str, str]:
    """Every document of a file, or of the files in a folder, by each of its names."""
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    texts: dict[str, str] = {}
    for file in files:
        for name, text in _named(file):
            for known in {name.removeprefix("sha256:"), hash_of(text)}:
                if texts.setdefault(known, text) != text:
                    raise SettingsError(f"{_VARIABLE}: {file} names another document {known}")
    return texts


def _named(file: Path) -> Iterator[tuple[str, str]]:
    """The documents of one file. A file ``.graphql`` is one document, known by its hash alone."""
    if file.suffix not in {".json", ".graphql"}:
        return
    try:
        raw = file.read_bytes()
        if file.suffix == ".graphql":
            yield hash_of(raw.decode()), raw.decode()
            return
        written = strict_json.read(raw)
    except (OSError, UnicodeDecodeError, strict_json.NotStrict) as flaw:
        raise SettingsError(f"{_VARIABLE}: {file} cannot be read: {flaw}") from flaw
    for name, text in _pairs(written):
        if not isinstance(name, str) or not isinstance(text, str):
            raise SettingsError(f"{_VARIABLE}: {file} is no list of documents by their names")
        yield name, text


def _pairs(written: Any) -> list[tuple[object, object]]:
    """Names and texts: an object of them, as Relay and GraphQL Code Generator write it, or Apollo's manifest."""
    if not isinstance(written, dict):
        return [(None, None)]
    if written.get("format") != _APOLLO:
        return list(written.items())
    operations = written.get("operations")
    rows = operations if isinstance(operations, list) else [None]
    return [(row.get("id"), row.get("body")) if isinstance(row, dict) else (None, None) for row in rows]
