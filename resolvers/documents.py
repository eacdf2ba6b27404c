"""Trusted documents: what is asked by its name, and what alone may be asked where only these run (ADR 0018).

A document is named as its build tools named it, by the SHA-256 of its text, or by ``sha256:`` and that: as
``documentId`` (GraphQL over HTTP, appendix on persisted documents) or as Apollo's ``persistedQuery`` extension.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import GraphQLError

from domain.errors import ErrorCode

SHA256 = "sha256:"
#: the one version of Apollo's extension
_APOLLO_VERSION = 1


@dataclass(frozen=True, slots=True)
class Named:
    """A document asked for by its name; ``text`` came along, if it did. ``is_hash``: its name is the text's SHA-256."""

    name: str
    text: str = ""
    is_hash: bool = False


#: what is to be executed, as it was asked for
Asked: TypeAlias = str | Named


def asked(given: Mapping[str, Any]) -> Asked | None:
    """What a request asks for, in the members that GraphQL over HTTP gives it; ``None`` when it asks for nothing."""
    text, name, apollo = given.get("query"), given.get("documentId"), _apollo_hash(given.get("extensions"))
    if isinstance(name, str) and name:
        return Named(name.removeprefix(SHA256), text or "", is_hash=name.startswith(SHA256))
    if apollo:
        return Named(apollo, text or "", is_hash=True)
    return text if isinstance(text, str) else None


@dataclass(frozen=True, slots=True)
class TrustedDocuments:
    """Documents by every name they have. ``are_all``: nothing else is executed."""

    texts: Mapping[str, str] = field(default_factory=dict)
    are_all: bool = False

    def text(self, wanted: Asked) -> str:
        """The text to execute. Nothing is ever added: a text that comes with its hash is executed, not remembered.

        Raises a coded ``GraphQLError`` for a name that is not known, for a text that is not trusted where only trusted
        ones run, and for a text that is another than its name says.
        """
        if isinstance(wanted, str):
            return self._trusted(wanted)
        known = self.texts.get(wanted.name)
        if wanted.text and (
            known not in {None, wanted.text} or (wanted.is_hash and hash_of(wanted.text) != wanted.name)
        ):
            raise _refused("The query is not the document that is named.", ErrorCode.BAD_USER_INPUT)
        if known is not None or wanted.text:
            return known or self._trusted(wanted.text)
        if not self.texts:
            raise _refused("PersistedQueryNotSupported", ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED)
        raise _refused("PersistedQueryNotFound", ErrorCode.PERSISTED_QUERY_NOT_FOUND)

    def _trusted(self, text: str) -> str:
        if self.are_all and hash_of(text) not in self.texts:
            raise _refused("PersistedQueryNotFound", ErrorCode.PERSISTED_QUERY_NOT_FOUND)
        return text


def hash_of(text: str) -> str:
    """The name that every text has."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _apollo_hash(extensions: object) -> str:
    stated = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if not isinstance(stated, dict) or stated.get("version") != _APOLLO_VERSION:
        return ""
    named = stated.get("sha256Hash")
    return named if isinstance(named, str) else ""


def _refused(text: str, code: ErrorCode) -> GraphQLError:
    # Apollo's clients know these two by their words
    return GraphQLError(text, extensions={"code": code.name})
