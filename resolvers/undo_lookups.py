"""What one operation has looked up of undos: each thing once, and many things together (see ``lookups``)."""

from __future__ import annotations

from domain.import_model import ImportJob
from domain.services import Services
from domain.undos import UndoStanding
from resolvers.lookups import Loader, loader


class UndoLookups:
    """:class:`schema.undo_context.UndoContext`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._jobs: dict[str, ImportJob] = {}
        self._standings: Loader[str, UndoStanding | None] = loader(self._standings_of)

    async def standing(self, job: ImportJob) -> UndoStanding:
        self._jobs[job.import_id] = job
        return await self._standings.load(job.import_id) or UndoStanding(is_possible=False)

    async def _standings_of(self, import_ids: list[str]) -> dict[str, UndoStanding]:
        found = await self._services.undos.standing([self._jobs[import_id] for import_id in import_ids])
        return {str(import_id): standing for import_id, standing in found.items()}
