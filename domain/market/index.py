"""The hub's signed index, as TUF metadata (pure; security.md section 2, "TUF's threats for our marketplace path").

Four roles, each with keys of its own: *root* says which keys count, *targets* lists every version of every listing
with length, hash and offer, *snapshot* says which list that is, *timestamp*, made anew every few hours, says which
snapshot is the newest. Versions only grow. Snapshots are consistent: what is published under a name stays as it is.

A key of ours stands in root together with the name under which its private half is kept; a key without such a name is
somebody's who signs elsewhere (an offline root).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from securesystemslib.signer import Key, Signer, SSlibKey
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from domain.errors import ErrorCode, refuse
from domain.market.model import Offer
from domain.market.offering import offer_of, offer_row
from domain.model import name_key

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = ROLES = (Root.type, Targets.type, Snapshot.type, Timestamp.type)
#: the member of a key in root that says under which name its private half is kept
_KEPT_AS = "x-installhub-key"
_COMPACT = JSONSerializer(compact=True)

Payload = TypeVar("Payload", Root, Targets, Snapshot, Timestamp)
#: signers by key id: the private halves that are here
Signers = Mapping[str, Signer]


@dataclass(frozen=True, slots=True)
class HubMetadata:
    """One version of one role's metadata, as it is served: JSON, signed."""

    role: str
    version: int
    body: str


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long metadata is good after it was signed. It is signed anew after half of that."""

    root: timedelta = timedelta(days=365)
    index: timedelta = timedelta(days=7)
    timestamp: timedelta = timedelta(hours=24)

    def of(self, role: str) -> timedelta:
        """That of a role."""
        return {ROOT: self.root, TIMESTAMP: self.timestamp}.get(role, self.index)


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key of ours: its signer, and the name under which the private half is kept."""

    name: str
    signer: Signer

    @property
    def public(self) -> Key:
        """As it stands in root."""
        key = self.signer.public_key
        return SSlibKey(key.keyid, key.keytype, key.scheme, key.keyval, {_KEPT_AS: self.name})


@dataclass(frozen=True, slots=True)
class Maker:
    """What signing needs: the private halves that are here, the time, and for how long."""

    signers: Signers
    now: datetime
    lifetimes: Lifetimes

    def signed(self, payload: Payload, root: Root, former: Root | None = None) -> HubMetadata:
        """A version of a role's metadata, signed by every key of the role that is here.

        ``former`` is the root before, whose keys vouch for a new one. Raises :class:`KeysMissingError`.
        """
        payload.expires = self.now.astimezone(UTC) + self.lifetimes.of(payload.type)
        metadata = Metadata(payload)
        self.sign(metadata, (root, former) if former else (root,))
        try:
            for each in filter(None, (root, former)):
                each.verify_delegate(payload.type, metadata.signed_bytes, metadata.signatures)
        except UnsignedMetadataError as error:
            raise KeysMissingError(payload.type) from error
        return _written(metadata)

    def sign(self, metadata: Metadata[Any], roots: Iterable[Root]) -> None:
        """Add the signatures of those keys of the role, in any of these roots, that are here."""
        for key in dict.fromkeys(key for root in roots for key in root.get_delegated_role(metadata.signed.type).keyids):
            if key in self.signers:
                metadata.sign(self.signers[key], append=True)

    def is_due(self, payload: Signed) -> bool:
        """Whether half of its life is over."""
        return payload.expires - self.now < self.lifetimes.of(payload.type) / 2


class KeysMissingError(RuntimeError):
    """Too few of a role's private keys are here to sign for it."""

    def __init__(self, role: str) -> None:
        super().__init__(f"too few private keys of the role {role} are here")
        self.role = role


def first_root(keys: Mapping[str, NamedKey], *, now: datetime, lifetimes: Lifetimes) -> HubMetadata:
    """Version 1 of a hub's root, with one key for each role."""
    root = Root(consistent_snapshot=True)
    for role in ROLES:
        root.add_key(keys[role].public, role)
    return Maker({key.public.keyid: key.signer for key in keys.values()}, now, lifetimes).signed(root, root)


def kept_keys(root: str) -> list[tuple[str, str]]:
    """Names of the private keys that a root counts on and that are kept here, with their key ids."""
    keys = _read(Root, root).signed.keys.values()
    return [(str(key.unrecognized_fields[_KEPT_AS]), key.keyid) for key in keys if _KEPT_AS in key.unrecognized_fields]


def renewed(newest: Mapping[str, HubMetadata], offers: Iterable[Offer], maker: Maker) -> list[HubMetadata]:
    """What has to be published now: whatever changed, is half over, or is not signed by today's keys.

    ``newest`` has each role's newest metadata, the root's at least. Raises :class:`KeysMissingError`.
    """
    made: list[HubMetadata] = []
    root = _read(Root, newest[ROOT].body)
    if maker.is_due(root.signed) and (renewal := _renewed_root(root.signed, maker)):
        made.append(renewal)
        root = _read(Root, renewal.body)
    targets = _renewed_role(Targets, newest, root.signed, maker, {"targets": _targets(offers)})
    listed = targets or newest[TARGETS]
    snapshot = _renewed_role(Snapshot, newest, root.signed, maker, {"meta": {"targets.json": _about(listed)}})
    taken = snapshot or newest[SNAPSHOT]
    timestamp = _renewed_role(Timestamp, newest, root.signed, maker, {"snapshot_meta": _about(taken)})
    return made + [each for each in (targets, snapshot, timestamp) if each]


def with_new_key(root: str, role: str, key: NamedKey, maker: Maker) -> HubMetadata:
    """The next root, in which a new key of ours stands in the place of ours for a role.

    Keys that are kept elsewhere stay. Raises :class:`KeysMissingError` when root itself is signed elsewhere.
    """
    former, following = _read(Root, root).signed, _read(Root, root).signed
    for old in list(following.get_delegated_role(role).keyids):
        if _KEPT_AS in following.keys[old].unrecognized_fields:
            following.revoke_key(old, role)
    following.add_key(key.public, role)
    following.version += 1
    both = {**maker.signers, key.public.keyid: key.signer}
    return Maker(both, maker.now, maker.lifetimes).signed(following, following, former)


def taken_over(root: str, candidate: str, maker: Maker) -> HubMetadata:
    """A next root that was written elsewhere, with our own signatures added where our keys are among its signers'.

    Raises a refusal ``BadUserInput`` that says why it cannot be the next root.
    """
    former = _read(Root, root).signed
    try:
        metadata = _read(Root, candidate)
        following = metadata.signed
        maker.sign(metadata, (former, following))
        former.verify_delegate(ROOT, metadata.signed_bytes, metadata.signatures)
        following.verify_delegate(ROOT, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as error:
        raise refuse(
            ErrorCode.BAD_USER_INPUT, f"This is no root that the one in force vouches for: {error}."
        ) from error
    if following.version != former.version + 1:
        text = f"The next root has version {former.version + 1}; this one has {following.version}."
        raise refuse(ErrorCode.BAD_USER_INPUT, text)
    missing = [role for role in ROLES if role != ROOT and not _is_ours(following, role, maker)]
    if missing or not following.consistent_snapshot:
        text = "This server could not sign its index any more: the root must keep its keys and consistent snapshots."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, missing=missing)
    return _written(metadata)


def target_path(offer: Offer) -> str:
    """What an offer's bytes are called in the index."""
    return f"packages/{offer.listing_id}/{offer.version}.zip"


def content_path(offer: Offer) -> str:
    """Where an offer's bytes lie below ``targets/``: under their hash, so what lies there never changes."""
    return f"packages/{offer.listing_id}/{offer.sha256}.{offer.version}.zip"


@dataclass(frozen=True, slots=True)
class Listed:
    """The offers of one version of the index, to be looked up."""

    version: int
    by_listing: Mapping[str, Sequence[Offer]]
    by_name: Mapping[str, Sequence[Offer]]
    #: entries that say two things at once, or something this server does not understand: they are not offered
    unread: int


def listed(targets: str) -> Listed:
    """The offers that a verified targets metadata states."""
    payload = _read(Targets, targets).signed
    by_listing: dict[str, list[Offer]] = {}
    by_name: dict[str, list[Offer]] = {}
    unread = 0
    for path, target in payload.targets.items():
        offer = _offer(path, target)
        if offer is None:
            unread += 1
            continue
        by_listing.setdefault(offer.listing_id, []).append(offer)
        by_name.setdefault(name_key(offer.name), []).append(offer)
    return Listed(payload.version, by_listing, by_name, unread)


def expires_at(metadata: str) -> datetime:
    """When a role's metadata is no longer good."""
    found: Metadata[Any] = Metadata.from_bytes(metadata.encode())
    expires: datetime = found.signed.expires
    return expires


def _offer(path: str, target: TargetFile) -> Offer | None:
    """The offer of a target, if it agrees with what TUF itself says of the bytes."""
    try:
        offer = offer_of(target.custom)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    agrees = (target_path(offer), offer.size_bytes, {"sha256": offer.sha256}) == (path, target.length, target.hashes)
    return offer if agrees else None


def _targets(offers: Iterable[Offer]) -> dict[str, TargetFile]:
    return {
        (path := target_path(offer)): TargetFile(
            offer.size_bytes, {"sha256": offer.sha256}, path, {"custom": offer_row(offer)}
        )
        for offer in offers
    }


def _about(metadata: HubMetadata) -> MetaFile:
    """How another role names this metadata: version, length and hash, so that nothing can be mixed."""
    return MetaFile.from_data(metadata.version, metadata.body.encode(), ["sha256"])


def _renewed_root(root: Root, maker: Maker) -> HubMetadata | None:
    """Root again, for longer; ``None`` where its keys are elsewhere, and somebody has to do it there."""
    following = Root.from_dict(root.to_dict())
    following.version += 1
    try:
        return maker.signed(following, following, root)
    except KeysMissingError:
        return None


def _renewed_role(
    kind: type[Payload], newest: Mapping[str, HubMetadata], root: Root, maker: Maker, stated: Mapping[str, Any]
) -> HubMetadata | None:
    """The next version of a role's metadata, or ``None`` while the one there is good enough."""
    payload, version = kind(**stated), 1
    if kind.type in newest:
        former = _read(kind, newest[kind.type].body)
        is_same = all(getattr(former.signed, name) == value for name, value in stated.items())
        if is_same and not maker.is_due(former.signed) and _is_signed(former, root):
            return None
        version = former.signed.version + 1
    payload.version = version
    return maker.signed(payload, root)


def _is_signed(metadata: Metadata[Any], root: Root) -> bool:
    try:
        root.verify_delegate(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError:
        return False
    return True


def _is_ours(root: Root, role: str, maker: Maker) -> bool:
    wanted = root.get_delegated_role(role)
    return sum(key in maker.signers for key in wanted.keyids) >= wanted.threshold


def _read(kind: type[Payload], body: str) -> Metadata[Payload]:
    """Metadata of this role. Raises ``RepositoryError`` when it is something else."""
    metadata: Metadata[Payload] = Metadata.from_bytes(body.encode())
    if metadata.signed.type != kind.type:
        raise RepositoryError(f"this is {metadata.signed.type} metadata, not {kind.type}")
    return metadata


def _written(metadata: Metadata[Any]) -> HubMetadata:
    return HubMetadata(metadata.signed.type, metadata.signed.version, metadata.to_bytes(_COMPACT).decode())
