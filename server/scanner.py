"""The scanner that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from domain.scanning import Scanner
from domain.scanning.advisories import NO_ADVISORIES, AdvisoriesError, read_advisories
from domain.scanning.custom import NO_CUSTOM_RULES, CustomRulesError, read_rules
from server.settings import PREFIX, Settings, SettingsError


def scanner_of(settings: Settings) -> Scanner:
    """Our own rules with what the operator added. Raises :class:`SettingsError` naming the file, and the line."""
    try:
        custom = read_rules(Path(settings.scan_rules)) if settings.scan_rules else NO_CUSTOM_RULES
    except CustomRulesError as error:
        raise SettingsError(f"{PREFIX}SCAN_RULES: {error}") from error
    try:
        advisories = read_advisories(Path(settings.advisories)) if settings.advisories else NO_ADVISORIES
    except AdvisoriesError as error:
        raise SettingsError(f"{PREFIX}ADVISORIES: {error}") from error
    return Scanner(custom, advisories)
