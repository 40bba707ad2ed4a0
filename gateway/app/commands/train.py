"""``tertulia train``: a new version of a task's model from the author's examples, in a process of its own."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from config.settings import Settings
from gateway.app.commands.terminal import complaints, err, figure, out, print_json, settings_or_exit
from gateway.app.model_place import encoder_to_train, lend_encoder_key, models_url
from gateway.core.errors import Misconfigured

if TYPE_CHECKING:
    from nlp.models.versions import Manifest


def run_train(
    config: Path | None, *, task: str, is_promoted: bool, is_forced: bool, is_quick: bool, by: str, as_json: bool,
    encoder: str = "",
) -> None:  # fmt: skip
    """Train and store, with the sentence vectors of *encoder* (empty: the settings', ``none``: none).

    With *is_promoted* also make it live, if the gate lets it through. Exit code 1 when not.
    """
    settings = settings_or_exit(config)
    with complaints():
        named = encoder_to_train(settings, task, encoder)
        if is_promoted and _holds_up_turns(task, named):
            raise Misconfigured(
                "--promote",
                f"a turn does not wait for a service ({named}): train without it, for files, or with minilm",
            )
        manifest = asyncio.run(_train(settings, task, by, named, is_quick=is_quick))
    if not as_json:
        _show(manifest)
    if is_promoted:
        from gateway.app.commands.models import promote_model

        why = f"trained by {_person(by)}"
        promote_model(
            config, manifest.version, task=task, by=by, why=why, is_forced=is_forced, as_json=as_json,
            besides=_facts(manifest),
        )  # fmt: skip
    elif as_json:
        print_json(_facts(manifest))
    elif _holds_up_turns(task, manifest.encoder):
        use = f"`tertulia classify --model {manifest.version}`"
        out().print(f"  [soft]it asks a service, so it never serves turns; for files: {use}[/]", soft_wrap=True)
    else:
        out().print(f"  [soft]not live yet: `tertulia models promote {manifest.version}{_task_option(task)}`[/]")


async def _train(settings: Settings, task: str, by: str, encoder: str, *, is_quick: bool) -> Manifest:
    from config.bot import load_bot
    from nlp.models.process import Order, train_in_process
    from nlp.models.versions import place_of

    folder = settings.bot.folder.absolute()
    place = place_of(load_bot(folder).name, task)
    lend_encoder_key(settings)
    order = Order(
        url=models_url(settings),
        bot_folder=str(folder),
        place=place,
        by=_person(by),
        is_quick=is_quick,
        encoder=encoder,
    )
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        shown = progress.add_task(f"training {task}")
        return await train_in_process(order, lambda line: progress.update(shown, description=line))


def _holds_up_turns(task: str, encoder: str) -> bool:
    from nlp.models.versions import holds_up_turns

    return holds_up_turns(task, encoder)


def _show(manifest: Manifest) -> None:
    console, about = out(), manifest.about
    console.print(
        f"[ok]✓[/] {manifest.version} of {manifest.place}: {about.metrics.get('texts', 0):.0f} texts,"
        f" {len(about.labels)} labels, {manifest.size_bytes / 2**20:.1f} MB",
        soft_wrap=True,
    )
    for name, value in sorted(about.metrics.items()):
        console.print(f"  {name.replace('_', ' '):28} {figure(value)}")
    for meant, understood, times in about.confusions[:5]:
        console.print(f"  [soft]{meant} is taken for {understood}: {times}[/]", soft_wrap=True)


def _facts(manifest: Manifest) -> dict[str, object]:
    about = manifest.about
    return {
        "version": manifest.version,
        "task": manifest.place.task,
        "examples": int(about.metrics.get("texts", 0)),
        "intents": len(about.labels),
        "encoder": manifest.encoder,
        "metrics": dict(about.metrics),
    }


def _person(by: str) -> str:
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _task_option(task: str) -> str:
    return "" if task == "intent" else f" --task {task}"
