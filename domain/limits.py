"""Every number that bounds a caller, with its unit, in one table (decisions section 7, R13, R24, R27, R35, R36).

The names are those of the settings: ``INSTALLHUB_LIMIT_`` and the field in capitals.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.archive import ArchiveLimits
from domain.bundle import BundleLimits
from domain.model import TenantPlan

MIB = 1 << 20
_ARTIFACT_BYTES = 8 * MIB
_ENTRIES_BESIDES_ARTIFACTS = 64
#: what a bundle may unfold to, for each byte of its plan's wire limit (security section 3.1: 1 GiB for 500 MiB)
_UNFOLDED_FACTOR = {TenantPlan.STANDARD: 4, TenantPlan.ENTERPRISE: 3}


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts unless the name says otherwise; MB are 2^20 bytes of the compressed ZIP."""

    exports_per_user_minute: int = 10
    exports_per_tenant_hour: int = 50
    export_roots: int = 50
    export_artifacts: int = 500
    export_depth: int = 10
    zip_mb_standard: int = 50
    zip_mb_enterprise: int = 500
    artifacts_standard: int = 100
    artifacts_enterprise: int = 1000
    pause_hours: int = 24
    #: how long before its last moment people are told of an import that waits for somebody (R40)
    remind_hours: int = 4
    plan_days: int = 7
    #: how long an import that is held waits to be switched on
    activation_days: int = 7
    #: how long an undo is promised: superseded revisions are kept at least so long (decisions section 9.6)
    undo_days: int = 400
    scan_seconds: int = 120
    install_seconds: int = 120
    verify_seconds: int = 30
    rest_wait: int = 300
    #: for the bytes of one package of an install
    download_seconds: int = 300
    queued_imports: int = 100
    bundle_days: int = 365
    #: how long a bundle is kept after its last import ended (R13)
    used_bundle_days: int = 30
    submission_mb: int = 50
    submission_artifacts: int = 100
    submissions_per_publisher_day: int = 20
    reported_tenants: int = 1000
    logins_per_user_minute: int = 10
    logins_per_address_minute: int = 100
    #: how long a session lasts unless it is renewed (akana.md section 4)
    session_minutes: int = 30
    #: for the head of a request (design: security, rule 14)
    header_seconds: int = 10
    #: for a body, and one more for each MiB of it that came
    body_seconds: int = 60
    #: until a caller takes some more of an answer
    answer_seconds: int = 60
    #: sockets and event streams open at once with one process. A hundred watchers of one user cost little
    #: (design: performance, W4), so these are wider than the 20 and 200 of security section 3.6
    streams_per_user: int = 200
    streams_per_tenant: int = 500
    operations_per_socket: int = 50
    #: what the lists of one GraphQL operation could hold, all together
    query_nodes: int = 300_000
    #: for one GraphQL operation, or one event of a subscription
    operation_seconds: int = 60

    def zip_bytes(self, plan: TenantPlan) -> int:
        """The largest ZIP a plan lets in (A1)."""
        return MIB * (self.zip_mb_standard if plan is TenantPlan.STANDARD else self.zip_mb_enterprise)

    def artifacts(self, plan: TenantPlan) -> int:
        """The most artifacts one import of a plan may hold (A1)."""
        return self.artifacts_standard if plan is TenantPlan.STANDARD else self.artifacts_enterprise

    def bundle(self, plan: TenantPlan) -> BundleLimits:
        """What the strict reader lets a plan's tenants bring."""
        wire = self.zip_bytes(plan)
        return BundleLimits(
            archive=ArchiveLimits(
                bytes_max=wire,
                entries_max=self.artifacts_enterprise * 2 + _ENTRIES_BESIDES_ARTIFACTS,
                entry_bytes_max=_ARTIFACT_BYTES,
                total_bytes_max=wire * _UNFOLDED_FACTOR[plan],
            ),
            artifacts_max=self.artifacts(plan),
            plan=plan.wire,
            scan_seconds=self.scan_seconds,
        )

    def submission(self) -> BundleLimits:
        """What the strict reader lets publishers submit (installhub.md section 10.4)."""
        wire = MIB * self.submission_mb
        return BundleLimits(
            archive=ArchiveLimits(
                bytes_max=wire,
                entries_max=self.artifacts_enterprise * 2 + _ENTRIES_BESIDES_ARTIFACTS,
                entry_bytes_max=_ARTIFACT_BYTES,
                total_bytes_max=wire * _UNFOLDED_FACTOR[TenantPlan.STANDARD],
            ),
            artifacts_max=self.submission_artifacts,
            plan="marketplace",
            scan_seconds=self.scan_seconds,
        )


@dataclass(frozen=True, slots=True)
class Installation:
    """What is true of this server. ``platform_version`` is what bundles carry and targets compare with (R38)."""

    limits: Limits = Limits()
    platform_version: str = "4.2.0"
    #: how people reach it, without a slash at the end; empty when nobody said
    public_url: str = ""
    #: whether its marketplace may be looked at without a token
    is_market_public: bool = True
