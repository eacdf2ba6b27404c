"""Which packages an install brings, and in which order (pure; X19, R4; installhub.md section 10.1).

Missing packages are taken in the highest listed version that everything wanting them allows. What is installed stays
as it is: no tenant is upgraded by what it did not ask for. A conflict is told as a chain of who wants what.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Any, TypeAlias

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver
from resolvelib.structs import RequirementInformation

from domain import versions
from domain.errors import ErrorCode, Problem, Refusal, refuse
from domain.import_model import InstalledPackage
from domain.market.model import ListingState, Offer
from domain.model import PackageDependency, name_key

#: packages that one install may bring, and names that are looked at for that: every version needs others
PACKAGES_MAX, NAMES_MAX = 50, 500
#: rounds of a resolution, and versions looked at in all of them: seconds at the most, whatever a hub states
_ROUNDS_MAX, _LOOKS_MAX = 2_000, 200_000
#: chains, and versions, that a conflict is told by
_TOLD_MAX = 20


def newest_first(offers: Iterable[Offer]) -> list[Offer]:
    """By version, the highest first."""
    return sorted(offers, key=_rank, reverse=True)


_by_version = cmp_to_key(versions.compare)


def _rank(offer: Offer) -> Any:
    return _by_version(offer.version)


def asked_offer(offers: Sequence[Offer], version: str | None, installed: Sequence[InstalledPackage]) -> Offer:
    """The offer that an install means: the named version, else the newest listed one that is no pre-release.

    A version that the tenant has already stays installable there while it is deprecated. Raises ``NotFound`` (what:
    ``package`` or ``version``), ``PackageSuspended``, ``VersionDeprecated`` and ``VersionYanked``.
    """
    known = [offer for offer in offers if offer.state is not ListingState.UNLISTED]
    if not known:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such package in the marketplace.", what="package")
    found = _latest(known) if version is None else next((offer for offer in known if offer.version == version), None)
    if found is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such version of the package.", "version", what="version")
    _refuse_state(found, installed)
    return found


def _latest(offers: Iterable[Offer]) -> Offer | None:
    """The newest listed release, else the newest release: its state says why there is none to install."""
    releases = [offer for offer in newest_first(offers) if not versions.is_prerelease(offer.version)]
    listed = [offer for offer in releases if offer.state is ListingState.LISTED]
    return next(iter(listed or releases), None)


def _refuse_state(offer: Offer, installed: Sequence[InstalledPackage]) -> None:
    refusal = state_problem(offer)
    has_it = any(
        package.source == offer.publisher_id
        and name_key(package.name) == name_key(offer.name)
        and package.version == offer.version
        for package in installed
    )
    if refusal is not None and not (offer.state is ListingState.DEPRECATED and has_it):
        raise Refusal([refusal])


def state_problem(offer: Offer) -> Problem | None:
    """Why this version is not installed anew, if it is not (installhub.md section 10.4)."""
    reason = f" {offer.state_reason}" if offer.state_reason else ""
    if offer.state is ListingState.SUSPENDED:
        return Problem(ErrorCode.PACKAGE_SUSPENDED, f"{offer.full_name} is suspended.{reason}", "version")
    if offer.state is ListingState.DEPRECATED:
        details = {"replacedByVersion": offer.replaced_by} if offer.replaced_by else {}
        text = f"{offer.full_name} is deprecated and not installed anew.{reason}"
        return Problem(ErrorCode.VERSION_DEPRECATED, text, "version", details=details)
    if offer.state is ListingState.YANKED:
        return Problem(ErrorCode.VERSION_YANKED, f"{offer.full_name} was taken back.{reason}", "version")
    if offer.state is ListingState.UNLISTED:
        text = f"{offer.full_name} is not offered any more."
        return Problem(ErrorCode.NOT_FOUND, text, "version", details={"what": "version"})
    return None


def wanted_names(offers: Iterable[Offer]) -> set[str]:
    """Name keys of all that these offers depend on."""
    return {name_key(needed.package_name) for offer in offers for needed in offer.dependencies}


@dataclass(frozen=True, slots=True)
class _Wish:
    """A package that somebody wants, by name key, in a range."""

    key: str
    needed: PackageDependency

    @property
    def text(self) -> str:
        return f"{self.needed.package_name} {versions.range_text(self.needed.min_version, self.needed.max_version)}"


@dataclass(frozen=True, slots=True)
class _Choice:
    """A version that could be taken: an offer, or what the tenant has."""

    key: str
    name: str
    version: str
    offer: Offer | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        return f"{self.name}@{self.version}" + ("" if self.offer else " (installed)")


_Cause: TypeAlias = RequirementInformation[_Wish, _Choice]


def resolved(
    asked: Offer, offers: Mapping[str, Sequence[Offer]], installed: Sequence[InstalledPackage]
) -> tuple[Offer, ...]:
    """All that is to be installed, what is needed first, the asked one last.

    ``offers`` are those of every package that may be needed, by name key. Raises ``MissingPackageDependency`` for a
    package that nobody offers, else ``IncompatiblePackageDependency``, each with a ``chain`` for every wish in the way.
    """
    provider = _Market(asked, offers, installed)
    resolver: Resolver[_Wish, _Choice, str] = Resolver(provider, BaseReporter())
    wish = _Wish(name_key(asked.name), PackageDependency(asked.name, asked.version))
    try:
        result = resolver.resolve([wish], max_rounds=_ROUNDS_MAX)
    except ResolutionImpossible as impossible:
        raise Refusal(_conflict(provider, list(impossible.causes))) from impossible
    except ResolutionTooDeep as deep:
        text = f"What {asked.full_name} needs could not be settled: too many versions contradict each other."
        raise refuse(ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY, text) from deep
    chosen = {choice.key: choice.offer for choice in result.mapping.values() if choice.offer}
    if len(chosen) > PACKAGES_MAX:
        raise too_many(asked, len(chosen))
    return tuple(_needed_first(chosen, name_key(asked.name)))


def too_many(asked: Offer, count: int) -> Refusal:
    """Of an install that would bring more than anybody looks through."""
    text = f"{asked.full_name} would bring {count} packages; at most {PACKAGES_MAX} are installed at once."
    return refuse(ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY, text)


class _Market(AbstractProvider[_Wish, _Choice, str]):
    """What resolvelib asks about the marketplace and the tenant."""

    def __init__(
        self, asked: Offer, offers: Mapping[str, Sequence[Offer]], installed: Sequence[InstalledPackage]
    ) -> None:
        self.asked = asked
        self._choices: dict[str, list[_Choice]] = {}
        for package in installed:
            key = name_key(package.name)
            self._choices.setdefault(key, []).append(_Choice(key, package.name, package.version))
        for key, some in offers.items():
            if key not in self._choices:
                self._choices[key] = [_choice(offer) for offer in newest_first(some)]
        # the asked package is taken from the marketplace whatever the tenant has of it
        self._choices[name_key(asked.name)] = [_choice(asked)]
        #: who first wanted a package, for the chains
        self.wanted_by: dict[str, tuple[_Choice, _Wish]] = {}
        self._looks = 0

    def identify(self, requirement_or_candidate: _Wish | _Choice) -> str:
        return requirement_or_candidate.key

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, _Choice],  # noqa: ARG002 - resolvelib's signature
        candidates: Mapping[str, Iterator[_Choice]],  # noqa: ARG002
        information: Mapping[str, Iterator[_Cause]],  # noqa: ARG002
        backtrack_causes: Sequence[_Cause],
    ) -> Any:
        is_cause = any(cause.requirement.key == identifier for cause in backtrack_causes)
        return not is_cause, len(self._choices.get(identifier, ())), identifier

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[_Wish]],
        incompatibilities: Mapping[str, Iterator[_Choice]],
    ) -> list[_Choice]:
        wishes, out = list(requirements[identifier]), set(incompatibilities[identifier])
        choices = self._choices.get(identifier, ())
        self._looks += len(choices)
        if self._looks > _LOOKS_MAX:
            raise ResolutionTooDeep(_LOOKS_MAX)
        return [
            choice
            for choice in choices
            if choice not in out and all(self.is_satisfied_by(wish, choice) for wish in wishes)
        ]

    def is_satisfied_by(self, requirement: _Wish, candidate: _Choice) -> bool:
        needed = requirement.needed
        is_allowed = versions.in_range(candidate.version, needed.min_version, needed.max_version)
        if candidate.offer is None or candidate.offer is self.asked:
            return is_allowed
        is_asked_for = versions.is_prerelease(needed.min_version) or not versions.is_prerelease(candidate.version)
        return is_allowed and is_asked_for and candidate.offer.state is ListingState.LISTED

    def get_dependencies(self, candidate: _Choice) -> list[_Wish]:
        if candidate.offer is None:
            return []
        wishes = [_Wish(name_key(needed.package_name), needed) for needed in candidate.offer.dependencies]
        for wish in wishes:
            self.wanted_by.setdefault(wish.key, (candidate, wish))
        return wishes

    def chain(self, cause: _Cause) -> list[str]:
        """Who wants what, from the asked package to the wish in the way: ``["Suite@2.0.0", …, "Core >=1.0.0"]``."""
        steps, holder = [cause.requirement.text], cause.parent
        seen: set[str] = set()
        while holder is not None and holder.key not in seen:
            seen.add(holder.key)
            steps.append(holder.text)
            holder = self.wanted_by[holder.key][0] if holder.key in self.wanted_by else None
        return steps[::-1]

    def there(self, key: str) -> list[str]:
        """What there is of a package, the newest first: ``Core@1.4.0 (installed)``."""
        return [choice.text for choice in self._choices.get(key, ())[:_TOLD_MAX]]


def _choice(offer: Offer) -> _Choice:
    return _Choice(name_key(offer.name), offer.name, offer.version, offer)


def _conflict(market: _Market, causes: Sequence[_Cause]) -> Iterator[Problem]:
    chains = sorted({tuple(market.chain(cause)) for cause in causes})[:_TOLD_MAX]
    told = "; ".join(" wants ".join(chain) for chain in chains)
    keys = sorted({cause.requirement.key for cause in causes})[:_TOLD_MAX]
    for key in keys:
        name = next(cause.requirement.needed.package_name for cause in causes if cause.requirement.key == key)
        there = market.there(key)
        details = {"packageName": name, "chains": [list(chain) for chain in chains], "available": there}
        if there:
            text = f"No version of {name} suits everything that wants it: {told}. There is {', '.join(there)}."
            yield Problem(ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY, text, "packageDependencies", details=details)
        else:
            text = f"{name} is neither installed nor offered in the marketplace: {told}."
            yield Problem(ErrorCode.MISSING_PACKAGE_DEPENDENCY, text, "packageDependencies", details=details)


def _needed_first(chosen: Mapping[str, Offer], asked: str) -> Iterator[Offer]:
    """Depth first by name key: what is needed goes before, the asked package last, whoever needs it in a circle."""
    seen: set[str] = set()

    def visited(key: str) -> Iterator[Offer]:
        seen.add(key)
        for needed in sorted(wanted_names([chosen[key]]) & chosen.keys()):
            if needed not in seen:
                yield from visited(needed)
        yield chosen[key]

    # no chain is longer than PACKAGES_MAX
    return visited(asked)
