"""Which names and types may stand in a bundle (security, section 3.1; installhub, section 7.1).

Allowed are ``manifest.json``, ``README.md``, ``artifacts/<folder>/<id>.json`` and the folders above these, as plain
files and folders. No name stands twice, whatever its case and however its letters are written; no file is also a
folder. A name is never used as a path: these rules keep a bundle harmless for other readers, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from itertools import filterfalse, islice

from domain.errors import ErrorCode, Problem
from domain.strict_json import shown

MANIFEST = "manifest.json"
README = "README.md"
#: how much of a foreign name a message repeats, in characters
SHOWN_NAME = 120

_TYPE_BITS, _FILE_TYPE, _FOLDER_TYPE, _LINK_TYPE = 0o170000, 0o100000, 0o040000, 0o120000
#: set-user-id, set-group-id, sticky
_SPECIAL_BITS = 0o7000
_DOS_FOLDER = 0x10
#: what the attributes of a file do not have: bits of any type but its own, special bits, a folder's mark
_UNLIKE_A_FILE = (_TYPE_BITS & ~_FILE_TYPE | _SPECIAL_BITS) << 16 | _DOS_FOLDER

_ARTIFACT = re.compile(r"artifacts/([^/]+)/[A-Za-z0-9_-][A-Za-z0-9._-]*\.json")
#: a line that is such a name, or one of those at the root
_PLAIN_LINE = re.compile(rf"^(?:{_ARTIFACT.pattern}|{re.escape(MANIFEST)}|{re.escape(README)})$", re.MULTILINE)
_PLAIN_SEGMENTS = 3
_FOLDER = re.compile(r"artifacts/(?:([^/]+)/)?")
_ARCHIVES = (
    ".zip", ".zipx", ".jar", ".war", ".ear", ".apk", ".whl", ".nupkg", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2",
    ".xz", ".txz", ".lz", ".lz4", ".lzma", ".zst", ".z", ".7z", ".rar", ".cab", ".arj", ".iso", ".cpio",
)  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")
#: bytes that begin a UTF-8 sequence only to hide an ASCII character, as an undecodable name holds them
_OVERLONG = re.compile("[\udcc0\udcc1]")


def is_folder(name: str) -> bool:
    """A name that ends with a slash stands for a folder."""
    return name.endswith("/")


def are_plain_files(
    names: Collection[str], attributes: Iterable[int], *, folders: frozenset[str], segments_max: int
) -> bool:
    """Whether a few looks at all names show files without a problem and without a twin; ``False`` says nothing.

    The arguments are those of :func:`name_problems`.
    """
    lines = "\n".join(names)
    keys = lines.lower().split("\n")
    placed = _PLAIN_LINE.findall(lines)
    return (
        lines.isascii()
        and len(placed) == len(keys) == len({*keys}) == len(names)  # no name holds a line's end, or stands twice
        and folders.issuperset(filter(None, placed))
        and not any(bits & _UNLIKE_A_FILE for bits in {*attributes})
        and segments_max >= _PLAIN_SEGMENTS
    )


def name_problems(
    names: Iterable[str], attributes: Iterable[int], *, folders: frozenset[str], segments_max: int
) -> dict[str, Problem]:
    """What is wrong with entries' names and types, by name: of each the gravest only.

    ``attributes`` are the external ones of the directory, one for each name, with the UNIX mode in the upper half;
    ``folders`` are the names that may stand below ``artifacts/``; bytes that are no UTF-8 stand in a name as lone
    surrogates.
    """
    problems = {}
    for name, bits in zip(names, attributes, strict=True):
        for code, what in islice(_flaws(name, bits, folders, segments_max), 1):
            where = shown(name, limit=SHOWN_NAME)
            problems[name] = Problem(code, f"'{where}' {what}.", where)
    return problems


def twin_problem(names: Iterable[str]) -> Problem | None:
    """Two names that some system takes for one, or a file that another name needs as a folder."""
    seen: set[str] = set()
    for name in names:
        key = name.lower() if name.isascii() else _folded(name)
        if key in seen:
            return _twin("A name stands twice, or differs from another only by case or writing.", name)
        seen.add(key)
    parents = {key.rpartition("/")[0] for key in seen}
    needed = parents.union(*map(_above, parents))
    for key in sorted(filterfalse(is_folder, seen & needed)):
        return _twin("A name is a file and a folder.", key)
    return None


def missing_problems(names: Collection[str]) -> Iterator[Problem]:
    """The two files that every bundle has at its root, where they are absent."""
    if MANIFEST not in names:
        yield Problem(ErrorCode.MANIFEST_MISSING, "The bundle has no manifest.json at its root.", MANIFEST)
    if README not in names:
        yield Problem(ErrorCode.README_MISSING, "The bundle has no README.md at its root.", README)


def _flaws(name: str, attributes: int, folders: frozenset[str], segments_max: int) -> Iterator[tuple[ErrorCode, str]]:
    """Every flaw of a name or type, the gravest first."""
    mode = attributes >> 16
    kind = mode & _TYPE_BITS
    is_allowed = _is_allowed(name, folders)  # such a name leads nowhere and is no archive's
    if (not is_allowed and _leads_out(name)) or kind == _LINK_TYPE:
        yield ErrorCode.PATH_TRAVERSAL_DETECTED, "could lead out of its folder"
    if kind not in (0, _FOLDER_TYPE if is_folder(name) else _FILE_TYPE) or mode & _SPECIAL_BITS:
        yield ErrorCode.FORBIDDEN_CONTENT, "is neither a plain file nor a folder"
    if attributes & _DOS_FOLDER and not is_folder(name):
        yield ErrorCode.FORBIDDEN_CONTENT, "is a file and says that it is a folder"
    if name.count("/") >= segments_max:
        yield ErrorCode.INVALID_ZIP, f"has more than {segments_max} segments"
    if is_allowed:
        return
    if name.lower().rstrip(" .").endswith(_ARCHIVES):
        yield ErrorCode.NESTED_ARCHIVE_DETECTED, "is an archive within the bundle"
    yield ErrorCode.FORBIDDEN_CONTENT, "has no place in a bundle"


def _leads_out(name: str) -> bool:
    folded = unicodedata.normalize("NFKC", name)  # full-width dots and slashes are meant as what they look like
    return (
        "\\" in folded
        or "\0" in folded
        or folded.startswith("/")
        or folded.count("/") != name.count("/")
        or ".." in folded.split("/")
        or _DRIVE.match(folded) is not None
        or _OVERLONG.search(name) is not None
    )


def _is_allowed(name: str, folders: frozenset[str]) -> bool:
    if name in (MANIFEST, README, "artifacts/"):
        return True
    placed = (_FOLDER if is_folder(name) else _ARTIFACT).fullmatch(name)
    return placed is not None and placed[1] in folders


def _folded(name: str) -> str:
    """What all ways to write a name come to. Of ASCII only the case is left."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())


def _above(key: str) -> Iterator[str]:
    end = key.find("/")
    while end >= 0:
        yield key[:end]
        end = key.find("/", end + 1)


def _twin(message: str, name: str) -> Problem:
    return Problem(ErrorCode.INVALID_ZIP, message, shown(name, limit=SHOWN_NAME))
