"""What a pattern alone cannot decide: addresses, nesting, spliced queries, the look of a secret.

Each judge reads one decoded string and answers in time linear to its length.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from domain.scanning.windows import first_in

#: hosts that an expression may call besides the machine itself; section 9.2 gives no list, so nobody is on it
HTTP_WHITELIST: frozenset[str] = frozenset()
#: deepest nesting of an expression that passes (section 9.2)
DEEPEST = 10

_ADDRESS = re.compile(r"https?://[^\s\"'`<>]+", re.IGNORECASE)
_LITERAL_OR_BRACKET = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[()\[\]{}]", re.DOTALL)
_OPENERS, _CLOSERS = frozenset("([{"), frozenset(")]}")
_OPENERS_AND_LINES = b"([{\n"
_NO_OPENERS = bytes(byte for byte in range(256) if byte not in _OPENERS_AND_LINES)
_ALIKE = bytes.maketrans(b"[{", b"((")
_ENOUGH_OPENERS = b"(" * (DEEPEST + 1)


#: what stands before a query in a canonical file: every query key ends in one of the two words
_QUERY_KEYS = (b'uery":', b'filterExpression":')
_JOIN = re.compile(rb"\+|\|\||\{\{|\$\{")
_LITERALS = tuple(re.compile(f"{quote}([^{quote}]*)(?:{quote}|$)") for quote in ("'", '"', "`"))
_JOINED_BEFORE = re.compile(r"[\"'`]?\s*(?:\+|\|\|)\s*[A-Za-z_$]")
_JOINED_BEHIND = re.compile(r"\s*(?:\+|\|\|)")
_STATEMENT = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|EXEC)\b", re.IGNORECASE)
_COMPARED_WITH_A_JOIN = re.compile(
    r"(?:[=<>]|\bLIKE\b|\bIN\s*\(|\bVALUES\s*\()\s*(?:'[^']{0,200}'\s*|\"[^\"]{0,200}\"\s*)?\+\s*[A-Za-z_$]",
    re.IGNORECASE,
)

_SELECT_ALL = re.compile(r"\bSELECT\s+\*\s+FROM\b", re.ASCII | re.IGNORECASE)
_WHERE = re.compile(r"\bWHERE\b", re.ASCII | re.IGNORECASE)
_PARAMETER = re.compile(r"@\w")

#: as many bytes as the signs of a name and a password may be written with
_LOGIN = re.compile(rb"://[^\s/@\"]{3,2000}@")

_LETTER = re.compile(r"[A-Za-z]")
_NO_WORD = re.compile(r"[^A-Za-z._/\\-]")
_REFERENCE = re.compile(
    # templates, parameters, elements; addresses of a vault; paths of names; ids of artifacts and vault entries
    r"[{$@<%#\[(]|(?:vault|env|ref|secret|binding|credential)s?:|[A-Za-z_]\w{0,39}(?:\.[A-Za-z_]\w{0,39}){1,4}$"
    r"|[A-Za-z]{2,16}-[0-9]{1,9}$"
)
_SHORTEST_SECRET, _LONGEST_SECRET = 8, 4096


def names_an_external_address(text: str) -> bool:
    """True if some http address in the text leads neither to this machine nor to a listed host."""
    return any(not _is_allowed(match[0]) for match in _ADDRESS.finditer(text))


def is_nested_deeply(text: str) -> bool:
    """True if brackets outside of literals are nested more than ten deep; a template's own braces do not count."""
    depth = 0
    for match in _LITERAL_OR_BRACKET.finditer(text.strip().removeprefix("{{")):
        part = match[0]
        if part in _OPENERS:
            depth += 1
            if depth > DEEPEST:
                return True
        elif part in _CLOSERS:
            depth = max(0, depth - 1)
    return False


def may_be_nested_deeply(raw: bytes) -> bool:
    """False if no line of a canonical file has enough brackets for deep nesting; such a line holds one string."""
    return _ENOUGH_OPENERS in raw.translate(_ALIKE, _NO_OPENERS)


def splices_a_variable(text: str) -> bool:
    """True if a query is text plus a variable: a broken-off literal, a quoted statement, or a template in it."""
    if "{{" in text or "${" in text or first_in(_COMPARED_WITH_A_JOIN.search, text):
        return True
    return any(_is_joined(match) for literals in _LITERALS for match in literals.finditer(text))


def may_splice(raw: bytes) -> bool:
    """False if no query in a canonical file stands on one line with a mark that joins text and a variable."""
    return any(_may_splice_behind(rest) for key in _QUERY_KEYS for rest in raw.split(key)[1:])


def is_cut_by_a_comment(text: str) -> bool:
    """True for two dashes at the end, or a comment that closes again (section 9.3)."""
    start = text.find("/*")
    return text.rstrip().endswith("--") or (start >= 0 and text.find("*/", start + 2) >= 0)


def selects_all_unbound(text: str) -> bool:
    """True if all columns are read and no parameter stands in a WHERE behind it."""
    selected = _SELECT_ALL.search(text)
    if selected is None:
        return False
    where = _WHERE.search(text, selected.end())
    return where is None or _PARAMETER.search(text, where.end()) is None


def looks_like_a_secret(text: str) -> bool:
    """True for one word of letters with digits or signs that is no template, parameter, path of names or id."""
    return (
        _SHORTEST_SECRET <= len(text) <= _LONGEST_SECRET
        and not any(blank in text for blank in " \n\t\r")
        and _LETTER.search(text) is not None
        and _NO_WORD.search(text) is not None
        and _REFERENCE.match(text) is None
    )


def may_hold_a_login(raw: bytes) -> bool:
    """False if no address in a file names a user before its host."""
    return first_in(_LOGIN.search, raw) is not None


def _may_splice_behind(rest: bytes) -> bool:
    """Whether the value at the beginning of these bytes is no string (then anything may follow), or holds a mark."""
    line, broken, _ = rest.partition(b"\n")
    return not broken or not line.startswith((b' "', b'"')) or _JOIN.search(line) is not None


def _is_allowed(address: str) -> bool:
    try:
        # browsers read a backslash as a slash, so what stands behind it is no host
        host = urlsplit(address.replace("\\", "/")).hostname
    except ValueError:
        return False
    # no host: the address is put together elsewhere, or only its beginning is compared
    return host is None or host == "localhost" or host in HTTP_WHITELIST or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_joined(literal: re.Match[str]) -> bool:
    """A literal that begins by joining a name, or that is a whole statement and is joined to something."""
    if _JOINED_BEFORE.match(literal[1]):
        return True
    return _STATEMENT.match(literal[1]) is not None and _JOINED_BEHIND.match(literal.string, literal.end()) is not None
