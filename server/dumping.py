"""``artifacts dump``: a tenant's artifacts as files, in the form and the layout that ``artifacts load`` reads.

The process with the database tells the files, the command line writes them: they belong to whoever asked. They are
put beside each other in an unfinished folder first, and moved into their places when all are there; a dump that was
interrupted can be repeated.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from domain import strict_json
from domain.artifact_types import FOLDERS, LITERAL_ID
from domain.contents import status_of
from domain.import_model import AuditEntry
from domain.model import ArtifactFilter, ArtifactHead, name_key
from domain.portions import with_bodies
from server.errands import CommandRefusedError, Errand, Said, known_tenant
from server.printing import Teller, say

_PAGE = 500
_UNFINISHED = ".unfinished-dump"
_PLACE = re.compile(rf"artifacts/({'|'.join(sorted(FOLDERS))})/{LITERAL_ID.pattern}\.json")
_A_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_A_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_SHOWN = 5


async def dump_artifacts(errand: Errand) -> AsyncGenerator[Said, None]:
    """Every artifact that is not deleted, as ``{"file": path, "text": content}``, by name."""
    services, store, tenant_id = errand.runtime.services, errand.runtime.ports.store, await known_tenant(errand)
    dumped, after, has_next = 0, None, True
    while has_next:
        page = await services.authoring.page(errand.caller, tenant_id, ArtifactFilter(), first=_PAGE, after=after)
        async for heads, bodies in with_bodies(store, tenant_id, page.items, _revision_of):
            for head in heads:
                text = await asyncio.to_thread(_text_of, head, bodies[head.revision_id])
                yield {"file": head.artifact_type.file_of(head.artifact_id), "text": text}
                after = (name_key(head.name), head.artifact_id)
        dumped += len(page.items)
        has_next = page.has_next
    async with store.unit(tenant_id) as unit:
        details = {"artifacts": dumped}
        await unit.imports.audit(
            AuditEntry(services.clock.now(), errand.caller.actor, "artifacts.dumped", None, details)
        )


def _revision_of(head: ArtifactHead) -> list[str]:
    return [head.revision_id]


def _text_of(head: ArtifactHead, body: bytes) -> str:
    """What is stored, unless it does not say the status that the artifact has: a file must say it itself."""
    tree = strict_json.trusted(body)
    if status_of(tree) is head.status:
        return body.decode()
    return strict_json.canonical({**tree, "status": head.status.wire}).decode()


class Dump(Teller):
    """Takes files into a folder, and nowhere else: no link in it is followed."""

    def __init__(self, folder: Path, *, is_forced: bool) -> None:
        self._is_forced = is_forced
        self._name = str(folder)
        #: where each file lies until all are there; None for one that is in its place already
        self._files: dict[str, str | None] = {}
        self._numbers = count()
        self._opened = ExitStack()
        #: folders that are not left behind when nothing is dumped into them, outer ones first
        self._made = [one for one in reversed([folder, *folder.parents]) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._opened.callback(self._remove_made)
        self._root = self._kept_open(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        with suppress(FileNotFoundError):
            shutil.rmtree(_UNFINISHED, dir_fd=self._root)  # of a dump that was killed
        self._there = set(_files_below(folder))
        os.mkdir(_UNFINISHED, 0o700, dir_fd=self._root)
        self._opened.callback(shutil.rmtree, _UNFINISHED, ignore_errors=True, dir_fd=self._root)
        self._unfinished = self._kept_open(os.open(_UNFINISHED, _A_FOLDER, dir_fd=self._root))

    def tell(self, said: Said) -> None:
        if isinstance(said, str) or not _PLACE.fullmatch(said["file"]):
            raise CommandRefusedError("The server told something that is no artifact's file.")
        file, content = said["file"], said["text"].encode()
        self._files[file] = None if file in self._there and self._read(file) == content else self._kept(content)

    def end(self) -> int:
        others = self._there.difference(self._files)
        new = {file: kept for file, kept in self._files.items() if kept is not None}
        if not self._is_forced:
            self._refuse_mixture(sorted(others.union(self._there.intersection(new))))
        with ExitStack() as opened:
            # all of them before the first file, or a folder that is none would leave a mixture
            folders = {folder: opened.enter_context(self._place(folder)) for folder in sorted({*map(_folder_of, new)})}
            for file in new:
                self._refuse_a_folder(file, folders[_folder_of(file)])
            for file, kept in new.items():
                place = folders[_folder_of(file)]
                os.replace(kept, Path(file).name, src_dir_fd=self._unfinished, dst_dir_fd=place)
        self._made.clear()
        left = f" {len(others)} other files were left." if others else ""
        say(f"{len(new)} artifacts written, {len(self._files) - len(new)} unchanged.{left}")
        return 0

    def close(self) -> None:
        self._opened.close()

    def _refuse_mixture(self, in_the_way: Sequence[str]) -> None:
        if in_the_way:
            more = f" and {len(in_the_way) - _SHOWN} more" if len(in_the_way) > _SHOWN else ""
            raise CommandRefusedError(
                f"{self._name} holds something else: {', '.join(in_the_way[:_SHOWN])}{more}.\n"
                "Name an empty folder, or write over it with --force."
            )

    def _refuse_a_folder(self, file: str, place: int) -> None:
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(Path(file).name, dir_fd=place, follow_symlinks=False).st_mode):
                raise CommandRefusedError(f"{self._name}/{file} is a folder; nothing was written.")

    def _kept(self, content: bytes) -> str:
        name = str(next(self._numbers))
        with os.fdopen(os.open(name, _A_NEW_FILE, 0o600, dir_fd=self._unfinished), "wb") as new:
            new.write(content)
        return name

    def _read(self, file: str) -> bytes | None:
        """What is in a file's place; nothing where a link is."""
        try:
            with self._place(_folder_of(file)) as place:
                descriptor = os.open(Path(file).name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=place)
        except (OSError, CommandRefusedError):
            return None
        with os.fdopen(descriptor, "rb") as there:
            return there.read()

    @contextmanager
    def _place(self, folder: str) -> Iterator[int]:
        """A folder that files belong into, made where there is none."""
        with ExitStack() as opened:
            place, path = self._root, Path(self._name)
            for name in Path(folder).parts:
                path /= name
                try:
                    os.mkdir(name, 0o700, dir_fd=place)
                    self._made.append(path)
                except FileExistsError:
                    pass
                place = self._entered(name, place, path)
                opened.callback(os.close, place)
            yield place

    @staticmethod
    def _entered(name: str, place: int, path: Path) -> int:
        try:
            return os.open(name, _A_FOLDER, dir_fd=place)
        except OSError as error:
            reason = "a link, which is not followed" if path.is_symlink() else error.strerror
            raise CommandRefusedError(f"{path}: {reason}; nothing was written.") from error

    def _remove_made(self) -> None:
        for folder in reversed(self._made):
            with suppress(OSError):
                folder.rmdir()

    def _kept_open(self, descriptor: int) -> int:
        self._opened.callback(os.close, descriptor)
        return descriptor


def _folder_of(file: str) -> str:
    return str(Path(file).parent)


def _files_below(folder: Path) -> Iterator[str]:
    """Everything that is no folder, links to folders too."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()
