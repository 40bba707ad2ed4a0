"""``tertulia train``: a new version of the classifier from the author's examples."""

from __future__ import annotations

from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gateway.app.commands.terminal import complaints, err, out, print_json, settings_or_exit


def run_train(config: Path | None, *, as_json: bool) -> None:
    settings = settings_or_exit(config)
    with complaints():
        from config.bot import load_bot
        from nlp.intents import train
        from nlp.training_data import load_training_data

        bot = load_bot(settings.bot.folder)
        data = load_training_data(bot.folder, bot.languages)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=err(), transient=True) as progress:
            task = progress.add_task(f"training on {len(data.examples)} examples of {len(data.intents)} intents")
            folder = settings.data_dir / "models"
            folder.mkdir(parents=True, exist_ok=True)
            model = train(data, folder, report=lambda line: progress.update(task, description=line))
    info = model.info
    if as_json:
        print_json({"version": info.version, "examples": len(data.examples), "intents": len(info.intents)} | {
            "metrics": dict(info.metrics)
        })  # fmt: skip
        return
    console = out()
    console.print(f"[ok]✓[/] {info.version} in {folder}: {len(data.examples)} examples, {len(info.intents)} intents")
    for name, value in sorted(info.metrics.items()):
        console.print(f"  {name.replace('_', ' '):28} {value:.3f}")
