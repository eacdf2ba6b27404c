"""Seeded faults: what somebody could break by accident, or leave out, and which tests would say so.

Each replaces one piece of text that stands exactly once in its file. The first are those of security.md section 5.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A fault: ``before`` becomes ``after`` in a file, and at least one of the tests has to fail."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


FILES = "tests/unit/test_bundle_files.py::"
REFUSED = FILES + "test_one_flaw_is_refused_with_its_own_code_whatever_else_would_have_been_read"
ARCHIVE = "tests/unit/test_archive.py::"
JSON = "tests/unit/test_strict_json.py::"
AUTH = "tests/server/test_auth.py::"
BAD_CLAIM = AUTH + "test_a_bad_claim_is_refused_with_its_reason"
BAD_TOKEN = AUTH + "test_a_bad_value_is_refused_with_its_reason"
CSRF = "tests/doors/test_akana_csrf.py::"
OTHER_BYTES = (
    "tests/journeys/test_installs.py::test_bytes_that_are_not_as_the_index_states_fail_the_install_and_are_not_kept"
)
DRIFT = "tests/journeys/test_drift.py::"
PLANS = "tests/journeys/test_plans.py::"
JOBS = "tests/ports/test_store_jobs.py::"
LINKS = "tests/journeys/test_signed_links.py::"
OUTWARD = "tests/server/test_outward.py::"
ACTIVATION = "tests/ports/test_store_activation.py::"
UPLOADS = "tests/journeys/test_uploads.py::"
UNENDED_SCAN = "tests/unit/test_policy.py::test_a_scan_that_did_not_end_blocks_whatever_is_allowed_and_offers_nothing"
THREE_WAY = "tests/unit/test_three_way.py::"

_ARCHIVES = (
    Mutant(
        "entries and directory are not compared",
        "domain/archive.py",
        "    if stated != known:\n",
        "    if not stated:\n",
        (REFUSED,),
    ),
    Mutant(
        "an entry may have another method than the directory says",
        "domain/archive.py",
        "    if (flags, method, name_length) != (header.flags, header.method, len(raw_name)) or not",
        "    if name_length != len(raw_name) or not",
        (REFUSED,),
    ),
    Mutant(
        "data is inflated without a cap",
        "domain/archive.py",
        "stream.decompress(raw, entry.size + 1)",
        "stream.decompress(raw)",
        (ARCHIVE + "test_a_bomb_is_never_inflated_beyond_its_declared_size",),
    ),
    Mutant(
        "entries are extracted to their names",
        "domain/archive.py",
        "        content = _content(self.source, entry)\n        if",
        "        content = _content(self.source, entry)\n"
        '        open(entry.name.rpartition("/")[2], "wb").write(content)\n        if',
        (FILES + "test_reading_a_bundle_leaves_no_file_but_its_own_spool",),
    ),
    Mutant(
        "bytes may stand between two entries",
        "domain/archive.py",
        "    elif trailer:\n",
        "    elif trailer < 0:\n",
        (REFUSED,),
    ),
    Mutant(
        "a name may stand twice",
        "domain/archive.py",
        "        raise Refusal([twin])\n",
        "        pass\n",
        (REFUSED,),
    ),
    Mutant(
        "entries are counted too late",
        "domain/archive.py",
        "    if count > limits.entries_max:\n",
        "    if count > 0xFFFF:\n",
        (ARCHIVE + "test_a_flood_of_entries_is_refused_before_the_directory_is_read",),
    ),
    Mutant(
        "the entries' sizes are not summed",
        "domain/archive.py",
        "    if total > limits.total_bytes_max:\n",
        "    if total < 0:\n",
        (ARCHIVE + "test_a_broken_budget_is_refused_and_the_message_names_it",),
    ),
    Mutant(
        "an archive may hide under a harmless name",
        "domain/archive.py",
        "        if content.startswith(_ARCHIVE_MARKS):\n",
        "        if not content and not entry.name:\n",
        (REFUSED,),
    ),
    Mutant(
        "a name may climb out of its folder",
        "domain/entry_names.py",
        '        or ".." in folded.split("/")\n',
        "",
        (REFUSED,),
    ),
)

_DOCUMENTS = (
    Mutant(
        "documents are read by the standard library alone",
        "domain/strict_json.py",
        'jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")',
        '__import__("json").loads(raw)',
        (JSON + "test_what_is_not_strict_is_refused_with_its_reason_and_place", REFUSED),
    ),
    Mutant(
        "a key may stand twice",
        "domain/strict_json.py",
        "catch_duplicate_keys=True",
        "catch_duplicate_keys=False",
        (REFUSED,),
    ),
    Mutant(
        "values are not counted before they are built",
        "domain/strict_json.py",
        "    if marks > max_values:\n",
        "    if marks < 0:\n",
        (JSON + "test_too_many_values_are_refused_before_anything_is_built",),
    ),
    Mutant(
        "a version needs only to begin well",
        "domain/versions.py",
        "    found = _SEMVER.fullmatch(text) if",
        "    found = _SEMVER.match(text) if",
        (REFUSED,),
    ),
    Mutant(
        "an artifact's hash is not compared",
        "domain/bundle.py",
        "    if actual != entry.hash:\n",
        "    if not actual:\n",
        ("tests/unit/test_bundle.py::test_a_changed_artifact_fails_both_checksums_under_one_code", REFUSED),
    ),
    Mutant(
        "the bundle's checksum is not compared",
        "domain/bundle.py",
        "    if actual != manifest.checksum:\n",
        "    if not actual:\n",
        (REFUSED,),
    ),
    Mutant(
        "the manifest's own checksum is not compared",
        "domain/manifest.py",
        "    if not hmac.compare_digest(expected, actual):\n",
        "    if not actual:\n",
        (REFUSED,),
    ),
    Mutant(
        "files may be there that nobody declared",
        "domain/manifest.py",
        "        if file.startswith(_ARTIFACTS_FOLDER):\n",
        "        if not file:\n",
        (REFUSED,),
    ),
    Mutant(
        "a file may say another id than its row",
        "domain/bundle.py",
        "        if tree.get(key) != expected:\n",
        "        if key not in tree:\n",
        (REFUSED,),
    ),
    Mutant(
        "a part of a form may come twice",
        "rest_compat/multipart.py",
        "        if name in self.seen:\n",
        "        if not name:\n",
        ("tests/doors/test_receiving.py::test_a_form_that_is_not_just_two_parts_is_refused_and_leaves_nothing",),
    ),
)

_SCANS = (
    Mutant(
        "a scan that did not finish lets a package pass",
        "domain/policy.py",
        "    elif report.overall_result is ScanResult.ERROR:\n",
        "    elif report.overall_result is None:\n",
        (UNENDED_SCAN,),
    ),
    Mutant(
        "a failed scan lets a package pass",
        "domain/policy.py",
        "    if report.overall_result is ScanResult.FAIL:\n",
        "    if report.overall_result is None:\n",
        ("tests/unit/test_policy.py::test_warnings_of_the_scan_need_an_option_and_a_failure_has_none",),
    ),
    Mutant(
        "what no scan has finished is offered",
        "domain/market/examining.py",
        "    return verdict in {ScanResult.PASS, ScanResult.WARN}\n",
        "    return verdict is not ScanResult.FAIL\n",
        (UNENDED_SCAN,),
    ),
    Mutant(
        "a report repeats a secret",
        "domain/scanning/own.py",
        " else secret or _cut(spot.text, around=excerpt)\n",
        " else _cut(spot.text, around=excerpt)\n",
        ("tests/unit/test_scanning.py::test_a_secret_is_never_repeated",),
    ),
)

_CALLERS = (
    Mutant(
        "X-Tenant-Id is trusted",
        "domain/access.py",
        "    if not caller.is_member(named):\n",
        "    if not named:\n",
        (
            "tests/unit/test_access.py::test_a_foreign_tenant_and_one_that_does_not_exist_are_answered_alike",
            "tests/unit/test_access.py::test_a_header_outside_of_the_token_is_a_mismatch_for_lookups_too",
        ),
    ),
    Mutant(
        "scopes are not looked at",
        "domain/access.py",
        "    if not caller.has(right):\n",
        "    if not right:\n",
        ("tests/unit/test_access.py::test_a_missing_right_is_refused_with_the_permission_it_takes",),
    ),
    Mutant(
        "a token never ends",
        "server/auth.py",
        "    if expires + SKEW_SECONDS <= now:\n",
        "    if expires > now + 1e15:\n",
        (BAD_CLAIM, AUTH + "test_a_remembered_token_ends_when_it_ends"),
    ),
    Mutant(
        "a token is read before its time",
        "server/auth.py",
        "> now + SKEW_SECONDS:\n",
        "> now + 1e15:\n",
        (BAD_CLAIM,),
    ),
    Mutant(
        "an audience is a part of a text",
        "server/auth.py",
        'if trust.audience not in _texts(claims, "aud"):',
        'if trust.audience not in str(claims["aud"]):',
        (BAD_CLAIM,),
    ),
    Mutant(
        "another issuer is as good",
        "server/auth.py",
        '    if claims["iss"] != trust.issuer:\n',
        '    if not claims["iss"]:\n',
        (BAD_CLAIM,),
    ),
    Mutant(
        "a token may bring its own key",
        "server/auth.py",
        "    if not _NOT_FROM_A_TOKEN.isdisjoint(header) or not isinstance",
        "    if not isinstance",
        (BAD_TOKEN,),
    ),
    Mutant(
        "a signature is not verified",
        "server/auth.py",
        '            jws.deserialize_compact(".".join(parts), key, algorithms=list(_KINDS), registry=_REGISTRY)\n',
        "            str(key)\n",
        (BAD_TOKEN,),
    ),
    Mutant(
        "a login's cookie opens GraphQL",
        "server/graphql_http.py",
        '    caller = await request.state.authenticate(request.headers.get("authorization"))\n',
        '    in_cookies = next((f"Bearer {one}" for one in request.cookies.values()), None)\n'
        '    caller = await request.state.authenticate(request.headers.get("authorization") or in_cookies)\n',
        ("tests/doors/test_graphql_http.py::test_a_good_token_in_a_cookie_is_none",),
    ),
    Mutant(
        "any page may open a socket",
        "server/graphql.py",
        "        return self._settings.allows_origin(origin)\n",
        "        return True\n",
        ("tests/doors/test_graphql_socket.py::test_only_known_pages_may_open_a_socket",),
    ),
    Mutant(
        "any page may read answers",
        "server/origins.py",
        "                if is_known:\n",
        "                if origin:\n",
        ("tests/server/test_origins.py::test_to_a_page_of_another_origin_nothing_is_said",),
    ),
    Mutant(
        "other sites' pages may write",
        "rest_compat/akana_session.py",
        "    if writes:\n        demand_own_page(request)\n",
        "",
        (CSRF + "test_no_other_sites_page_can_write_with_whatever_token",),
    ),
    Mutant(
        "a CSRF token of any session counts",
        "rest_compat/akana_session.py",
        "        fits = csrf is not None and (csrf.token_id, csrf.user_id) == (token.token_id, token.user_id)\n",
        "        fits = csrf is not None\n",
        (CSRF + "test_a_csrf_token_belongs_to_one_session",),
    ),
    Mutant(
        "a session outlives its cookie",
        "rest_compat/akana_session.py",
        " or token.has_ended(services.clock.now()):\n",
        ":\n",
        ("tests/doors/test_akana_sessions.py::test_a_cookie_past_its_own_end_is_none_though_its_session_was_renewed",),
    ),
    Mutant(
        "a signed address is good for ever",
        "domain/signing.py",
        "int(expires) <= self._clock.now().timestamp()",
        "int(expires) < 0",
        (LINKS + "test_an_address_gives_its_package_for_five_minutes",),
    ),
    Mutant(
        "a signature of an address is not compared",
        "domain/signing.py",
        '        is_ours = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))\n',
        "        is_ours = bool(expected and signature)\n",
        (LINKS + "test_the_signature_of_one_package_opens_no_other",),
    ),
    Mutant(
        "any password will do",
        "domain/passwords.py",
        "        except (VerificationError, InvalidHashError):\n            return False\n",
        "        except (VerificationError, InvalidHashError):\n            return True\n",
        ("tests/doors/test_akana_sessions.py::test_who_cannot_be_signed_in_gets_a_fault_and_no_cookie",),
    ),
    Mutant(
        "a package may be longer than the plan allows while it comes",
        "rest_compat/receiving.py",
        "        refuse_large(self.size, self.limit)\n        self._gathered",
        "        self._gathered",
        ("tests/doors/test_receiving.py::test_a_package_over_its_tenants_limit_is_too_large_in_either_order",),
    ),
    Mutant(
        "a range may lie outside",
        "rest_compat/downloading.py",
        "    if start > end:\n",
        "    if start < 0:\n",
        ("tests/doors/test_rest_export.py::test_a_range_outside_the_bundle_is_refused_with_its_size",),
    ),
    Mutant(
        "one more gets through a full window",
        "storage/limiter.py",
        "        if len(charged) < window.limit:\n",
        "        if len(charged) <= window.limit:\n",
        ("tests/ports/test_limiter.py::test_a_window_lets_through_its_limit_and_no_more",),
    ),
    Mutant(
        "one more gets through a full window that processes share",
        "storage/valkey.py",
        "  if count >= limit then wait",
        "  if count > limit then wait",
        ("tests/ports/test_valkey.py::test_processes_that_count_at_once_let_through_the_limit_and_no_more",),
    ),
    Mutant(
        "bytes of an object store are passed on as they come",
        "storage/s3_blobs.py",
        "if known is not None and not await in_thread(known.has, piece, place):",
        "if known is not None and not piece:",
        ("tests/ports/test_s3_blobs.py::test_of_a_blob_that_was_right_no_piece_is_passed_on_that_is_not_what_it_was",),
    ),
    Mutant(
        "a bug is told to the caller",
        "resolvers/refusals.py",
        '    text = f"Something went wrong on our side. Quote {correlation_id} when you report it."\n'
        "    return _like(failure, text, {",
        "    return _like(failure, repr(cause), {",
        ("tests/doors/test_graphql_errors.py::test_a_bug_of_ours_is_masked_and_logged_once_under_its_number",),
    ),
    Mutant(
        "private addresses are asked",
        "server/outward.py",
        "        if not is_public(found):\n",
        "        if found is None:\n",
        (
            OUTWARD + "test_nothing_private_is_asked_unless_it_is_allowed",
            OUTWARD + "test_an_address_that_would_not_be_asked_is_refused_beforehand",
        ),
    ),
    Mutant(
        "an answer without end is read on",
        "server/outward.py",
        "                if size > self._bounds.bytes_max:\n",
        "                if size < 0:\n",
        (OUTWARD + "test_an_answer_without_end_is_cut",),
    ),
    Mutant(
        "a Community package needs no acknowledgement",
        "domain/market/trust.py",
        "    community = [] if acknowledged else _community(offers)\n",
        "    community = _community([])\n",
        ("tests/journeys/test_installs.py::test_a_community_package_wants_to_be_acknowledged_and_then_comes",),
    ),
)

_ROWS = (
    Mutant(
        "a worker that lost its lease goes on writing",
        "storage/journal.py",
        '    import_job.c.fence == bindparam("held_fence"),\n',
        '    import_job.c.fence >= bindparam("held_fence"),\n',
        (JOBS + "test_a_worker_that_lost_its_lease_writes_nothing",),
    ),
    Mutant(
        "an import goes on writing although somebody asked it to stop",
        "storage/journal.py",
        "            *(() if is_last else (columns.cancel_requested.is_(false()),)),\n",
        "            *(() if not is_last else (columns.cancel_requested.is_(false()),)),\n",
        (JOBS + "test_a_running_job_is_asked_to_stop_and_hears_of_it",),
    ),
    Mutant(
        "a lease is taken away before it ends",
        "storage/jobs.py",
        "        lost = lost.where(_JOB.lease_until < DatabaseSeconds())\n",
        "        lost = lost.where(_JOB.lease_until > 0)\n",
        (JOBS + "test_only_a_lease_that_ran_out_is_taken_away_unless_all_are_asked_for",),
    ),
    Mutant(
        "others are told before the commit",
        "storage/store.py",
        "            yield session\n        if self._checkpoints is not None:\n",
        "            yield session\n"
        "            self._bell.ring(tuple(session.bells))\n"
        "        if self._checkpoints is not None:\n",
        ("tests/ports/test_store_units.py::test_a_unit_commits_on_a_clean_exit_and_rings_each_bell_once_after_it",),
    ),
    Mutant(
        "a unit answers and commits nothing",
        "storage/session.py",
        "            await self._send(_COMMIT)\n",
        "            await self._send()\n",
        ("tests/ports/test_store_units.py::test_a_unit_commits_on_a_clean_exit_and_rings_each_bell_once_after_it",),
    ),
    Mutant(
        "the log is moved beside its writers though all of it is moved",
        "storage/checkpoints.py",
        "            if moved_to not in {None, shown}:\n",
        "            if shown is not None:\n",
        ("tests/ports/test_checkpoints.py::test_what_was_written_to_the_log_and_taken_back_is_no_reason_to_move_it",),
    ),
    Mutant(
        "the log is moved beside its writers before anybody has looked at it",
        "storage/checkpoints.py",
        "            if moved_to not in {None, shown}:\n",
        "            if moved_to != shown:\n",
        ("tests/ports/test_checkpoints.py::test_the_first_look_moves_nothing",),
    ),
    Mutant(
        "what was committed while the log was moved counts as still to be moved",
        "storage/checkpoints.py",
        "                # what was committed meanwhile may count as moved: it is moved with what comes next\n"
        "                shown = await _shown(self._beside)\n",
        "",
        (
            "tests/ports/test_checkpoints.py::test_what_is_committed_while_the_log_is_moved_is_no_reason_to_move_it_again",
        ),
    ),
    Mutant(
        "what a move that failed was told of the log is still believed",
        "storage/checkpoints.py",
        "        moved_to, self._moved_to, length = self._moved_to, None, 0\n",
        "        moved_to, length = self._moved_to, 0\n",
        ("tests/ports/test_checkpoints.py::test_after_a_move_that_failed_the_log_is_looked_at_first",),
    ),
    Mutant(
        "the log that was moved to its end is moved again beside its writers",
        "storage/checkpoints.py",
        "        self._moved_to = None\n        with translated():\n            # without",
        "        with translated():\n            # without",
        ("tests/ports/test_checkpoints.py::test_after_a_move_that_failed_the_log_is_looked_at_first",),
    ),
    Mutant(
        "what was committed while the last of the log was moved stays in it",
        "storage/checkpoints.py",
        "                    is_pause = seen == self._count\n",
        "",
        ("tests/ports/test_checkpoints.py::test_what_is_committed_while_the_last_of_the_log_is_moved_is_moved_too",),
    ),
    Mutant(
        "a long log is moved once and goes on growing",
        "storage/checkpoints.py",
        "            if 0 < length <= LONG_LOG or longest <= LONG_LOG or self._closing.is_set():\n",
        "            if longest > 0:\n",
        ("tests/ports/test_checkpoints.py::test_a_long_log_begins_anew_while_writers_go_on",),
    ),
    Mutant(
        "the log is moved to its end by somebody without a turn",
        "storage/checkpoints.py",
        "            async with self._engines.turn(Turn.LONG):\n",
        "            if Turn.LONG:\n",
        ("tests/ports/test_checkpoints.py::test_who_moves_all_of_the_log_has_his_turn_among_writers_who_never_pause",),
    ),
    Mutant(
        "a server that hangs up on who connects is our own fault",
        "storage/engines.py",
        "    except (DBAPIError, EmulatedDBAPIException, *_DRIVERS_ERRORS) as error:\n",
        "    except (DBAPIError, *_DRIVERS_ERRORS) as error:\n",
        ("tests/ports/test_store_units.py::test_a_server_that_hangs_up_on_who_connects_is_unavailable",),
    ),
    Mutant(
        "who is answered waits for letters to be put together",
        "server/mail.py",
        "            await asyncio.to_thread(self._write, letter)\n",
        "            self._write(letter)\n",
        ("tests/ports/test_mailers.py::test_who_is_answered_meanwhile_does_not_wait_for_a_letter_to_be_put_together",),
    ),
    Mutant(
        "who has just written goes before those who wait",
        "storage/engines.py",
        "nullcontext() if self._turns is None else",
        "nullcontext() if self._turns is not None else",
        ("tests/ports/test_turns.py::test_a_neighbour_waits_for_no_more_than_the_unit_that_is_being_written",),
    ),
    Mutant(
        "what keeps everybody waiting begins at once, whoever writes again and again",
        "storage/one_writer.py",
        "        if is_long and self._is_somebody_about_to_come():\n",
        "        if not is_long and self._is_somebody_about_to_come():\n",
        ("tests/unit/test_one_writer.py::test_a_long_turn_goes_right_behind_the_next_who_writes",),
    ),
    Mutant(
        "long work waits for its own parts",
        "storage/one_writer.py",
        "            if kind is Turn.ASKED:\n",
        "            if kind is not None:\n",
        ("tests/unit/test_one_writer.py::test_long_work_does_not_wait_for_its_own_parts",),
    ),
    Mutant(
        "who was cancelled is woken instead of who still waits",
        "storage/one_writer.py",
        "next((one for one in self._patient if not one.done()), None):\n            waiting",
        "next(iter(self._patient), None):\n            waiting.done() or waiting",
        ("tests/unit/test_one_writer.py::test_who_is_cancelled_before_his_long_turn_is_not_waited_for",),
    ),
    Mutant(
        "an upload is found in every tenant",
        "storage/uploads.py",
        'upload.c.tenant_id == bindparam("tenant"), upload.c.upload_id',
        '(upload.c.tenant_id == bindparam("tenant")) | (upload.c.tenant_id != ""), upload.c.upload_id',
        ("tests/ports/test_store_keeping.py::test_an_upload_is_found_in_its_own_tenant_only",),
    ),
    Mutant(
        "an import is found in every tenant",
        "storage/lookups.py",
        "        return next((job for job in jobs if reach is None or job.tenant_id in reach), None)\n",
        "        return next(iter(jobs), None)\n",
        ("tests/ports/test_store_lookups.py::test_a_lookup_finds_only_what_lies_in_the_reach",),
    ),
    Mutant(
        "a plan is found in every tenant",
        "storage/lookups.py",
        "plan.c.plan_id == plan_id, _within(plan.c.tenant_id, reach)",
        "plan.c.plan_id == plan_id",
        ("tests/ports/test_store_lookups.py::test_a_lookup_finds_only_what_lies_in_the_reach",),
    ),
    Mutant(
        "a key is taken for that of every caller",
        "storage/uploads.py",
        '    idempotency.c.subject == bindparam("by"),\n',
        '    (idempotency.c.subject == bindparam("by")) | (idempotency.c.subject != ""),\n',
        ("tests/ports/test_store_keeping.py::test_a_request_is_remembered_by_tenant_subject_and_key_until_its_time",),
    ),
    Mutant(
        "what an undo would bring back is not found",
        "storage/undos.py",
        '_R.number >= _first.c.number - literal_column("1"),\n',
        "_R.number >= _first.c.number,\n",
        (
            "tests/journeys/test_undo.py::test_an_undo_brings_back_what_the_import_replaced_and_leaves_it_nobodys_package",
        ),
    ),
    Mutant(
        "what an earlier attempt left is activated too",
        "storage/activation.py",
        "_HELD_COUNT.scalar_subquery() == bindparam",
        "_HELD_COUNT.scalar_subquery() >= bindparam",
        (ACTIVATION + "test_nothing_is_activated_while_something_of_an_earlier_attempt_is_held",),
    ),
)

_IMPORTS = (
    Mutant(
        "an idempotency key is ignored",
        "domain/repeating.py",
        "    if key is None:\n        return None\n",
        "    return None\n",
        (UPLOADS + "test_an_upload_sent_again_under_its_key_is_the_first_one",),
    ),
    Mutant(
        "another request under a known key is answered",
        "domain/repeating.py",
        "    if found.request_hash != request.request_hash:\n",
        "    if not found.request_hash:\n",
        ("tests/journeys/test_repeating.py::test_another_request_under_the_key_is_refused_and_changes_nothing",),
    ),
    Mutant(
        "an upload is everybody's",
        "domain/uploads.py",
        "        if upload is None or upload.subject != caller.identity:\n",
        "        if upload is None:\n",
        (UPLOADS + "test_an_upload_is_unknown_to_everybody_else",),
    ),
    Mutant(
        "an upload waits for ever",
        "domain/uploads.py",
        " if upload.expires_at <= self._clock.now() else ()\n",
        " if upload.expires_at is None else ()\n",
        (UPLOADS + "test_an_upload_that_waited_too_long_is_gone",),
    ),
    Mutant(
        "what changed since the plan is written over",
        "domain/activating.py",
        "            await unit.imports.demand_preconditions(job.import_id)\n",
        "",
        (DRIFT + "test_what_was_unchanged_in_the_plan_and_is_edited_right_before_the_activation_is_planned_anew",),
    ),
    Mutant(
        "an undecided place is the package's",
        "domain/merging.py",
        "existing, package) is Side.PACKAGE else existing\n",
        "existing, package) is not None else package\n",
        (THREE_WAY + "test_a_value_that_both_changed_each_its_way_waits_for_a_decision",),
    ),
    Mutant(
        "a merge forgets what the package changed",
        "domain/merging.py",
        "    if is_same(existing, base):\n        return package\n",
        "    if is_same(existing, base):\n        return existing\n",
        (THREE_WAY + "test_what_only_the_package_changed_is_the_packages_and_the_tenants_own_edits_stay",),
    ),
    Mutant(
        "a cycle is not looked for",
        "domain/bundle.py",
        "    if cycle := graph.find_cycle(list(places), edges):\n",
        "    if cycle := graph.find_cycle([], {}):\n",
        (REFUSED,),
    ),
    Mutant(
        "a major upgrade needs no yes",
        "domain/versions.py",
        "    return _parsed(new).major > _parsed(installed).major\n",
        "    return _parsed(new).major < _parsed(installed).major\n",
        ("tests/unit/test_versions.py::test_an_upgrade_is_major_when_the_first_number_rises",),
    ),
    Mutant(
        "a download of other bytes is kept",
        "domain/market/downloading.py",
        "            if digest.hexdigest() != offer.sha256:\n",
        "            if not digest.hexdigest():\n",
        (OTHER_BYTES,),
    ),
    Mutant(
        "a download may be longer than the index says",
        "domain/market/downloading.py",
        "                            if came > offer.size_bytes:\n",
        "                            if came < 0:\n",
        (OTHER_BYTES,),
    ),
    Mutant(
        "whoever waits for a frozen tenant is not told",
        "domain/freezing.py",
        "        if tenant is not None and tenant.freeze_reason is not None:\n",
        "        if tenant is None:\n",
        ("tests/journeys/test_freezing.py::test_who_would_wait_for_an_import_is_told_that_the_tenant_is_frozen",),
    ),
    Mutant(
        "one that cannot be scanned keeps the others waiting",
        "domain/tending.py",
        "            if len(troubles) < _FAILED_MAX:\n",
        "            if not troubles:\n",
        ("tests/unit/test_tending.py",),
    ),
    Mutant(
        "a plan that is there in part outlives its import",
        "storage/line.py",
        "        self._session.later(DROP_UNPLANNED, self._named(import_id))\n",
        "",
        ("tests/journeys/test_crash.py::test_what_a_cancelled_import_had_planned_in_part_goes_with_it",),
    ),
    Mutant(
        "a rule is not asked of texts that it is for",
        "domain/scanning/rules.py",
        'needs=("eval", "function"),',
        'needs=("eval",),',
        ("tests/unit/test_scanning.py::test_what_a_rule_needs_stands_in_all_that_the_corpus_has_for_it",),
    ),
    Mutant(
        "a trigger is tried without the second look at what hides its words",
        "domain/scanning/trigger.py",
        "            fired |= _fired(shown, _NEEDLES.names_in(shown) - fired)\n",
        "            fired |= _fired(shown, told)\n",
        ("tests/unit/test_scanning.py::test_an_escaped_word_is_read_as_the_word",),
    ),
    Mutant(
        "a rule that reads some members needs none of them",
        "domain/scanning/trigger.py",
        " and _PLACE_OF.get(name, name) in told}",
        "}",
        ("tests/unit/test_scanning.py::test_common_words_give_no_rule_a_reason_to_look_closer",),
    ),
    Mutant(
        "a look counts for places that are taken",
        "server/sending.py",
        "await self._due(self._places - len(self._taken))",
        "await self._due(self._places)",
        ("tests/server/test_sending.py",),
    ),
    Mutant(
        "of many rows the first hundred are fetched",
        "storage/drivers.py",
        "        rows += more\n",
        "",
        ("tests/ports/test_rows_fetched.py",),
    ),
    Mutant(
        "a request that takes long holds up all work in threads",
        "domain/courtesy.py",
        "        return now < self._youngest_at + _SOON_SECONDS\n",
        "        return bool(self._open)\n",
        ("tests/unit/test_courtesy.py",),
    ),
    Mutant(
        "a request counts only while the store is asked",
        "server/threads.py",
        "        with self._courtesy.answering():\n            await self._app(scope, receive, send)\n",
        "        await self._app(scope, receive, send)\n",
        ("tests/server/test_threads.py",),
    ),
)

MUTANTS = (*_ARCHIVES, *_DOCUMENTS, *_SCANS, *_CALLERS, *_ROWS, *_IMPORTS)
