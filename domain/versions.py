"""SemVer 2.0.0, held strictly, and the rules that compare versions (installhub.md sections 7.6 and 8.3; X17, X20).

Versions are text everywhere; :func:`is_semver` lets them in, all other functions are about versions it let in and
raise ``ValueError`` for anything else. Order is SemVer's: a pre-release stands before its release, build metadata
does not count. Strict means: ASCII digits only, the whole text, at most :data:`LENGTH_MAX` characters, numbers that
a signed 64-bit column holds (security.md section 3.2).
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from semver import Version

LENGTH_MAX = 128
NUMBER_MAX = 2**63 - 1

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


class PlatformVerdict(Enum):
    """How a package's platform stands to the one it comes to (X20)."""

    #: the same major version, and the target is not older
    SAME = "same"
    OLDER_TARGET = "older_target"
    MAJOR = "major"


class Bump(Enum):
    """How much has changed, as SemVer tells it."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


def is_semver(text: str) -> bool:
    """Whether this is a version: ``2.1.0-rc.1`` is, ``v2.1``, ``2.1`` and a final newline are not."""
    found = _SEMVER.fullmatch(text) if len(text) <= LENGTH_MAX else None
    return found is not None and all(int(number) <= NUMBER_MAX for number in found.groups())


def compare(first: str, second: str) -> int:
    """Negative, zero or positive, as the first version is lower than, level with or higher than the second."""
    return _parsed(first).compare(_parsed(second))


def higher(first: str, second: str) -> str:
    """The higher version; the first where they are level (R7: the version of a merged artifact)."""
    return second if compare(second, first) > 0 else first


def is_prerelease(version: str) -> bool:
    """Whether it carries pre-release identifiers: ``2.1.0-rc.1``."""
    return _parsed(version).prerelease is not None


def is_unstable(version: str) -> bool:
    """Whether any later version may break it: ``0.x.x`` (section 7.6)."""
    return _parsed(version).major == 0


def in_range(version: str, minimum: str, maximum: str | None) -> bool:
    """Whether the version is at least the minimum and below the maximum, if there is one (X17).

    A pre-release of the maximum is not below it: [2.1.0, 2.2.0) is any 2.1.x, so 2.2.0-rc.1 is outside (installhub.md
    section 15). Where the maximum is itself a pre-release, plain order decides.
    """
    if compare(version, minimum) < 0:
        return False
    if maximum is None:
        return True
    reach = version if is_prerelease(maximum) else str(_parsed(version).finalize_version())
    return compare(reach, maximum) < 0


def range_text(minimum: str, maximum: str | None) -> str:
    """The range as answers print it: ``>=1.0.0 <2.0.0``, or ``>=1.0.0``."""
    return f">={minimum}" + (f" <{maximum}" if maximum else "")


def is_major_upgrade(installed: str, new: str) -> bool:
    """Whether the new version jumps over a major version, which needs an explicit yes (section 7.6)."""
    return _parsed(new).major > _parsed(installed).major


def next_major(version: str) -> str | None:
    """The first version that may break what was built on this one; ``None`` where numbers end."""
    major = _parsed(version).major
    return f"{major + 1}.0.0" if major < NUMBER_MAX else None


def bumped(version: str, bump: Bump) -> str:
    """The lowest version that tells of such a change: 1.4.2 becomes 2.0.0, 1.5.0 or 1.4.3.

    Before 1.0.0 a breaking change is told by the second number, any other by the third (section 7.6). A pre-release
    becomes its own release where that tells enough: 2.0.0-rc.1 becomes 2.0.0. Where numbers end, it stays.
    """
    parts = ("patch", "patch", "minor") if is_unstable(version) else ("patch", "minor", "major")
    told = str(_parsed(version).next_version(parts[bump.value]))
    return told if is_semver(told) else version


def tells(version: str, earlier: str, bump: Bump) -> bool:
    """Whether a version says of itself that so much has changed; 2.0.0-rc.1 says what 2.0.0 does."""
    return compare(str(_parsed(version).finalize_version()), bumped(earlier, bump)) >= 0


def is_downgrade(installed: str, new: str) -> bool:
    """Whether the new version is lower than the one that is there."""
    return compare(new, installed) < 0


def platform_verdict(package_platform: str, target_platform: str) -> PlatformVerdict:
    """How the exporting platform's version stands to the target's (X20): 4.2.0 on 4.1.5 is an older target."""
    if _parsed(package_platform).major != _parsed(target_platform).major:
        return PlatformVerdict.MAJOR
    return PlatformVerdict.OLDER_TARGET if is_downgrade(package_platform, target_platform) else PlatformVerdict.SAME


def is_update_of(exported: str, target: str) -> bool:
    """Whether the target is the version itself or a later minor update of it, as a migration asks (akana.md section 6).

    The first two numbers are the release, the third is the update: 2020.1.2 goes to 2020.1.5, and never to 2020.2.0.
    """
    source, there = _parsed(exported), _parsed(target)
    return (source.major, source.minor) == (there.major, there.minor) and source.compare(there) <= 0


@lru_cache(maxsize=4096)
def _parsed(version: str) -> Version:
    if not is_semver(version):
        msg = "not a SemVer version"
        raise ValueError(msg)
    return Version.parse(version)
