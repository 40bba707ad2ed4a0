"""``tertulia contacts``: who is who, merging on proof, and taking it back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from config.settings import Settings
from gateway.app.commands.session import uuid_or_exit, with_database
from gateway.app.commands.terminal import complain, out, print_json, print_rows
from gateway.core.ids import ContactId
from gateway.store import contacts, learning
from gateway.store.contacts import Contact, Word
from gateway.store.database import Database

ADDRESS_COLUMNS = ("account", "recipient", "names", "evidence", "control", "heard_at", "conversation_id")
MERGE_COLUMNS = ("id", "kept", "merged", "by", "at", "undone_at")
CLAIM_COLUMNS = ("id", "contact_id", "other_id", "evidence", "detail", "at")


def show_contact(config: Path | None, contact: str, *, as_json: bool) -> None:
    contact_id = ContactId(uuid_or_exit(contact))

    async def work(_settings: Settings, database: Database) -> Contact:
        async with database.lane().transaction() as connection:
            return await contacts.show(connection, contact_id)

    found = with_database(config, work)
    if as_json:
        print_json(found)
        return
    where = f", part of {found.merged_into}" if found.merged_into else ""
    out().print(f"{found.id}  {found.name or '(no name)'}{where}", markup=False)
    out().print(f"time zone: {found.time_zone or 'unknown, that of the bot counts'}", markup=False)
    out().print(f"learning from their texts: {_said(found.learning)}", markup=False)
    print_rows(found.addresses, ADDRESS_COLUMNS, empty="no addresses", as_json=False)
    if found.merges:
        print_rows(found.merges, MERGE_COLUMNS, empty="", as_json=False)
    if found.claims:
        print_rows(found.claims, CLAIM_COLUMNS, empty="", as_json=False)


def _said(word: Word | None) -> str:
    """A word of consent in words."""
    if word is None:
        return "they never said"
    return f"{'yes' if word.is_given else 'no'}, {word.at:%Y-%m-%d %H:%M} ({word.source}: {word.evidence})"


def merge_contacts(config: Path | None, kept: str, merged: str, by: str, proof: str) -> None:
    one, other = ContactId(uuid_or_exit(kept)), ContactId(uuid_or_exit(merged))
    if not proof.strip() or not by.strip():
        complain("say who decides (--by) and what proves that it is one person (--proof)")

    async def work(_settings: Settings, database: Database) -> UUID | None:
        async with database.lane().transaction() as connection:
            return await contacts.merge(connection, one, other, "verified", by, detail=proof)

    merge_id = with_database(config, work)
    if merge_id is None:
        complain("they are one contact already")
    out().print(f"[ok]✓[/] merged; to take it back: contacts unmerge {merge_id}")


def unmerge_contacts(config: Path | None, merge: str, by: str) -> None:
    merge_id = uuid_or_exit(merge)

    async def work(_settings: Settings, database: Database) -> bool:
        async with database.lane().transaction() as connection:
            return await contacts.unmerge(connection, merge_id, by)

    if not with_database(config, work):
        complain(f"merge {merge} was taken back before")
    out().print("[ok]✓[/] taken back")


def decide_claim(config: Path | None, claim: str, by: str, *, is_confirmed: bool) -> None:
    claim_id = uuid_or_exit(claim)

    async def work(_settings: Settings, database: Database) -> UUID | None:
        async with database.lane().transaction() as connection:
            return await contacts.decide(connection, claim_id, by, is_confirmed=is_confirmed)

    merge_id = with_database(config, work)
    if not is_confirmed:
        out().print("[ok]✓[/] turned down")
    elif merge_id is None:
        out().print("[ok]✓[/] confirmed; they were one contact already")
    else:
        out().print(f"[ok]✓[/] merged; to take it back: contacts unmerge {merge_id}")


def note_learning(config: Path | None, contact: str, by: str, evidence: str, *, is_refused: bool) -> None:
    """Write down whether a person agrees that their texts teach the bot, in each of their conversations."""
    contact_id = ContactId(uuid_or_exit(contact))
    if not evidence.strip():
        complain("say what shows it (--evidence): a form's number, a message's id")

    async def work(_settings: Settings, database: Database) -> int:
        async with database.lane().transaction() as connection:
            return await learning.note_word(
                connection,
                await contacts.whole(connection, contact_id),
                is_given=not is_refused,
                source=f"command, {by}",
                evidence=evidence,
                at=datetime.now(UTC),
            )

    if not with_database(config, work):
        complain("this contact has no conversation")
    refused = "their texts are not learnt from; what was kept of them is gone"
    out().print(f"[ok]✓[/] written down: {refused if is_refused else 'their texts may teach the bot'}")
