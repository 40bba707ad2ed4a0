"""The command line. Only names, options and help stand here, so that ``--help`` is quick; the work is imported late."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="tertulia",
    help="One conversation, every channel: a messaging bot gateway that loses, doubles and reorders nothing.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Settings file; otherwise TERTULIA_CONFIG, then ./tertulia.toml.", dir_okay=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(help="At most so many, newest first.", min=1, max=10_000)]


def _say_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"tertulia {version('tertulia')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """One conversation, every channel."""


@app.command(epilog="Example: [bold]tertulia demo --desk zendesk[/], [bold]tertulia demo --terminal[/]")
def demo(
    config: Config = None,
    bot: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the bot's files; otherwise the one of the settings.", file_okay=False, exists=True
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="es or en; empty: the terminal's.")] = "",
    is_terminal: Annotated[bool, typer.Option("--terminal", help="Talk here, without a browser.")] = False,
    name: Annotated[str, typer.Option(help="Your name as the customer.")] = "Ana",
    channel: Annotated[str, typer.Option(help="Only this channel's sandbox; empty: every one there is.")] = "",
    desk: Annotated[
        str,
        typer.Option(help="Where people answer: builtin (our own, /desk) or zendesk (one that runs here too)."),
    ] = "builtin",
) -> None:
    """Show it all on one page: phones, desk and pipeline, with sandboxes in the providers' place. Nothing leaves."""
    from gateway.app.commands.demo import run_demo

    run_demo(config, bot=bot, channel=channel, customer=name, language=language, is_terminal=is_terminal, desk=desk)


@app.command(epilog="Example: [bold]tertulia run --workers 4 --port 8080[/]")
def run(
    config: Config = None,
    workers: Annotated[int, typer.Option(help="Processes that share the port.", min=1, max=64)] = 1,
    host: Annotated[str | None, typer.Option(help="Instead of server.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of server.port.", min=0, max=65_535)] = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C."""
    from gateway.app.commands.run import run_gateway

    run_gateway(config, workers, host, port)


@app.command(epilog="Example: [bold]tertulia check --json[/]")
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Say what is wrong with the settings, the channels, the bot's folder and the database, a line each."""
    from gateway.app.commands.check import run_check

    run_check(config, as_json=as_json)


@app.command(epilog="Example: [bold]TERTULIA__DATABASE__URL=postgresql://… tertulia migrate[/]")
def migrate(config: Config = None, as_json: AsJson = False) -> None:
    """Bring the database's tables to this release. Safe while the previous one serves."""
    from gateway.app.commands.migrate import run_migrate

    run_migrate(config, as_json=as_json)


@app.command(epilog="Example: [bold]tertulia chat --language en[/]")
def chat(
    config: Config = None,
    language: Annotated[str, typer.Option(help="es or en; empty: the bot finds out.")] = "",
) -> None:
    """Talk to the bot in the terminal, without channels or a database. Nothing is kept."""
    from gateway.app.commands.chat import run_chat

    run_chat(config, language)


Task = Annotated[str, typer.Option("--task", help="intent, sentiment, or a folder of tasks/.")]


@app.command(epilog="Example: [bold]tertulia train --promote[/]")
def train(
    config: Config = None,
    task: Task = "intent",
    is_promoted: Annotated[bool, typer.Option("--promote", help="Make it live, if the gate lets it through.")] = False,
    is_forced: Annotated[bool, typer.Option("--force", help="With --promote: even if the gate does not.")] = False,
    is_quick: Annotated[bool, typer.Option("--quick", help="In seconds, leaving out what takes long to try.")] = False,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder", help="Sentence vectors: minilm, folder:…, openai:…, titan:…, none; else models.encoder."
        ),
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who; it is written down.", envvar="TERTULIA_AGENT")] = "",
    as_json: AsJson = False,
) -> None:
    """Train a new version of the bot's classifier from its examples, and say how good it is."""
    from gateway.app.commands.train import run_train

    run_train(
        config, task=task, is_promoted=is_promoted, is_forced=is_forced, is_quick=is_quick, by=by, as_json=as_json,
        encoder=encoder,
    )  # fmt: skip


channels_app = typer.Typer(no_args_is_help=True, help="The configured channels.")
app.add_typer(channels_app, name="channels")


@channels_app.command("list", epilog="Example: [bold]tertulia channels list --json[/]")
def channels_list(config: Config = None, as_json: AsJson = False) -> None:
    """List the endpoints with their webhook addresses and accounts."""
    from gateway.app.commands.channels import list_channels

    list_channels(config, as_json=as_json)


@channels_app.command("connect", epilog="Example: [bold]tertulia channels connect telegram.main[/]")
def channels_connect(
    endpoint: Annotated[str, typer.Argument(help="As in the settings: channel.name.")], config: Config = None
) -> None:
    """Tell the provider where our webhook is. Needs server.public_url."""
    from gateway.app.commands.channels import connect_channel

    connect_channel(config, endpoint)


@channels_app.command("doctor", epilog="Example: [bold]tertulia channels doctor --json[/]")
def channels_doctor(
    endpoint: Annotated[str, typer.Argument(help="channel.name; all of them when left out.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask the providers how things stand: token, webhook, what they could not deliver."""
    from gateway.app.commands.channels import examine_channels

    examine_channels(config, endpoint, as_json=as_json)


dead_letters_app = typer.Typer(no_args_is_help=True, help="Messages that could not be sent.")
app.add_typer(dead_letters_app, name="dead-letters")


@dead_letters_app.command("list", epilog="Example: [bold]tertulia dead-letters list --limit 20[/]")
def dead_letters_list(config: Config = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List them with the reason, newest first."""
    from gateway.app.commands.dead_letters import list_dead_letters

    list_dead_letters(config, limit, as_json=as_json)


@dead_letters_app.command("show", epilog="Example: [bold]tertulia dead-letters show 0199f0c2-…[/]")
def dead_letters_show(message: str, config: Config = None) -> None:
    """Show one with everything that is known, as JSON. It contains what was said."""
    from gateway.app.commands.dead_letters import show_dead_letter

    show_dead_letter(config, message)


@dead_letters_app.command("replay", epilog="Example: [bold]tertulia dead-letters replay 0199f0c2-…[/]")
def dead_letters_replay(message: str, config: Config = None) -> None:
    """Put one back into the outbox, to be sent once more."""
    from gateway.app.commands.dead_letters import replay_dead_letter

    replay_dead_letter(config, message)


@dead_letters_app.command("desks", epilog="Example: [bold]tertulia dead-letters desks[/]")
def dead_letters_desks(config: Config = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what desks said and could not be applied."""
    from gateway.app.commands.dead_letters import list_dead_events

    list_dead_events(config, limit, as_json=as_json)


@dead_letters_app.command("retry-desk", epilog="Example: [bold]tertulia dead-letters retry-desk zendesk.main 17[/]")
def dead_letters_retry_desk(desk: str, key: str, config: Config = None) -> None:
    """Try again to apply what a desk said."""
    from gateway.app.commands.dead_letters import retry_dead_event

    retry_dead_event(config, desk, key)


quarantine_app = typer.Typer(no_args_is_help=True, help="Authentic webhooks that were not understood.")
app.add_typer(quarantine_app, name="quarantine")


@quarantine_app.command("list", epilog="Example: [bold]tertulia quarantine list --json[/]")
def quarantine_list(config: Config = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List them with the reason, newest first."""
    from gateway.app.commands.quarantine import list_quarantine

    list_quarantine(config, limit, as_json=as_json)


@quarantine_app.command("show", epilog="Example: [bold]tertulia quarantine show 0199f0c2-…[/]")
def quarantine_show(entry: str, config: Config = None) -> None:
    """Show one, raw, as JSON. It contains what was said."""
    from gateway.app.commands.quarantine import show_quarantined

    show_quarantined(config, entry)


@quarantine_app.command("replay", epilog="Example: [bold]tertulia quarantine replay --all[/]")
def quarantine_replay(
    entry: Annotated[str, typer.Argument(help="Id of one entry, as listed.")] = "",
    is_all: Annotated[bool, typer.Option("--all", help="Every entry that waits.")] = False,
    config: Config = None,
) -> None:
    """Parse entries again, after a fix. What is understood now goes the usual way, once."""
    from gateway.app.commands.quarantine import replay_quarantined

    replay_quarantined(config, entry, is_all=is_all)


desk_app = typer.Typer(no_args_is_help=True, help="The built-in desk: answer customers who asked for a person.")
app.add_typer(desk_app, name="desk")

Agent = Annotated[str, typer.Option("--agent", help="Who speaks.", envvar="TERTULIA_AGENT")]
Handoff = Annotated[str, typer.Argument(help="Id of the handoff, as listed.")]


@desk_app.command("list", epilog="Example: [bold]tertulia desk list[/]")
def desk_list(config: Config = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List who waits and who is being answered."""
    from gateway.app.commands.desk import list_handoffs

    list_handoffs(config, limit, as_json=as_json)


@desk_app.command("show", epilog="Example: [bold]tertulia desk show 0199f0c2-…[/]")
def desk_show(handoff: Handoff, config: Config = None, as_json: AsJson = False) -> None:
    """Show a case and its conversation."""
    from gateway.app.commands.desk import show_handoff

    show_handoff(config, handoff, as_json=as_json)


@desk_app.command("take", epilog="Example: [bold]tertulia desk take 0199f0c2-… --agent Berta[/]")
def desk_take(handoff: Handoff, agent: Agent = "agent", config: Config = None) -> None:
    """Take a case: from now on the bot is silent and you speak."""
    from gateway.app.commands.desk import take_handoff

    take_handoff(config, handoff, agent)


@desk_app.command("answer", epilog='Example: [bold]tertulia desk answer 0199f0c2-… "Ya lo miro"[/]')
def desk_answer(handoff: Handoff, text: str, agent: Agent = "agent", config: Config = None) -> None:
    """Say something to the customer; takes the case if nobody has it."""
    from gateway.app.commands.desk import answer_handoff

    answer_handoff(config, handoff, text, agent)


@desk_app.command("give-back", epilog="Example: [bold]tertulia desk give-back 0199f0c2-… --reason solved[/]")
def desk_give_back(
    handoff: Handoff,
    reason: Annotated[str, typer.Option(help="Why it ends.")] = "solved",
    config: Config = None,
) -> None:
    """End the case: the bot speaks again."""
    from gateway.app.commands.desk import give_back_handoff

    give_back_handoff(config, handoff, reason)


@desk_app.command("doctor", epilog="Example: [bold]tertulia desk doctor zendesk.main[/]")
def desk_doctor(
    desk: Annotated[str, typer.Argument(help="A desk as in the settings, such as zendesk.main; all without it.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask desks elsewhere how things stand: access, permissions, webhook, secret, clock, budget."""
    from gateway.app.commands.desk_setup import examine_desks

    examine_desks(config, desk, as_json=as_json)


@desk_app.command("connect", epilog="Example: [bold]tertulia desk connect zendesk.main[/]")
def desk_connect(
    desk: Annotated[str, typer.Argument(help="A desk as in the settings; without it the one that is used.")] = "",
    config: Config = None,
) -> None:
    """Make webhooks and triggers at a desk so that it calls us. Repeating it is harmless."""
    from gateway.app.commands.desk_setup import connect_desk

    connect_desk(config, desk)


contacts_app = typer.Typer(no_args_is_help=True, help="Who is who, on every channel.")
app.add_typer(contacts_app, name="contacts")

By = Annotated[str, typer.Option("--by", help="Who decides; it is written down.", envvar="TERTULIA_AGENT")]


@contacts_app.command("show", epilog="Example: [bold]tertulia contacts show 0199f0c2-…[/]")
def contacts_show(contact: str, config: Config = None, as_json: AsJson = False) -> None:
    """Show a contact's addresses, what was merged, and what waits to be confirmed."""
    from gateway.app.commands.contacts import show_contact

    show_contact(config, contact, as_json=as_json)


@contacts_app.command(
    "merge", epilog='Example: [bold]tertulia contacts merge 0199… 0198… --by Berta --proof "passport shown"[/]'
)
def contacts_merge(
    kept: Annotated[str, typer.Argument(help="Id of the contact that stays.")],
    merged: Annotated[str, typer.Argument(help="Id of the contact that becomes part of it.")],
    by: By,
    proof: Annotated[str, typer.Option(help="What proves that it is one person.")],
    config: Config = None,
) -> None:
    """Make two contacts one. Replies still go to where each message came from."""
    from gateway.app.commands.contacts import merge_contacts

    merge_contacts(config, kept, merged, by, proof)


@contacts_app.command("unmerge", epilog="Example: [bold]tertulia contacts unmerge 0199f0c2-… --by Berta[/]")
def contacts_unmerge(
    merge: Annotated[str, typer.Argument(help="Id of the merge, as shown.")], by: By, config: Config = None
) -> None:
    """Take a merge back: both contacts are as before."""
    from gateway.app.commands.contacts import unmerge_contacts

    unmerge_contacts(config, merge, by)


@contacts_app.command("confirm", epilog="Example: [bold]tertulia contacts confirm 0199f0c2-… --by Berta[/]")
def contacts_confirm(
    claim: Annotated[str, typer.Argument(help="Id of the claim, as shown.")],
    by: By,
    is_refused: Annotated[bool, typer.Option("--refuse", help="They are two people.")] = False,
    config: Config = None,
) -> None:
    """Decide about two contacts that may be one person: merge them, or turn the claim down."""
    from gateway.app.commands.contacts import decide_claim

    decide_claim(config, claim, by, is_confirmed=not is_refused)


@contacts_app.command(
    "learning", epilog='Example: [bold]tertulia contacts learning 0199… --by Berta --evidence "form 7"[/]'
)
def contacts_learning(
    contact: Annotated[str, typer.Argument(help="Id of the contact.")],
    by: By,
    evidence: Annotated[str, typer.Option(help="What shows it: a form's number, a message's id.")],
    is_refused: Annotated[bool, typer.Option("--refuse", help="They do not agree, or not any more.")] = False,
    config: Config = None,
) -> None:
    """Write down that a person agrees that their texts, made anonymous, teach the bot."""
    from gateway.app.commands.contacts import note_learning

    note_learning(config, contact, by, evidence, is_refused=is_refused)


keys_app = typer.Typer(no_args_is_help=True, help="Keys of your own systems for the API.")
app.add_typer(keys_app, name="keys")


@keys_app.command("create", epilog="Example: [bold]tertulia keys create shop --account whatsapp.main.support[/]")
def keys_create(
    name: Annotated[str, typer.Argument(help="Which system it is for; agents see it beside its messages.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="messages:write or :read, contacts:write or :read; repeatable.")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="channel.endpoint.account; can be repeated. None: all accounts.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once."""
    from gateway.app.commands.keys import create_key

    create_key(config, name, scope or ["messages:write"], account or [], as_json=as_json)


@keys_app.command("list", epilog="Example: [bold]tertulia keys list --json[/]")
def keys_list(config: Config = None, as_json: AsJson = False) -> None:
    """List the keys, revoked ones too."""
    from gateway.app.commands.keys import list_keys

    list_keys(config, as_json=as_json)


@keys_app.command("revoke", epilog="Example: [bold]tertulia keys revoke 0199f0c2-…[/]")
def keys_revoke(key: Annotated[str, typer.Argument(help="Id of the key, as listed.")], config: Config = None) -> None:
    """Make a key useless, at once."""
    from gateway.app.commands.keys import revoke_key

    revoke_key(config, key)


bench_app = typer.Typer(no_args_is_help=True, help="Measure this machine.")
app.add_typer(bench_app, name="bench")


@bench_app.command(
    "pipeline",
    epilog="Example: [bold]tertulia bench pipeline --json[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_pipeline(context: typer.Context) -> None:
    """Measure accept and whole turns against a bare handler and a bare relay."""
    from gateway.app.bench.pipeline import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "sockets",
    epilog="Example: [bold]tertulia bench sockets --json[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_sockets(context: typer.Context) -> None:
    """Measure thousands of open web chats on one process: time to the reply, memory for each."""
    from gateway.app.bench.sockets import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "parse",
    epilog="Example: [bold]tertulia bench parse --json[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_parse(context: typer.Context) -> None:
    """Measure what it costs to prove and to parse a webhook, on every channel."""
    from gateway.app.bench.parse import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "nlu",
    epilog="Example: [bold]tertulia bench nlu --data sets --json[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_nlu(context: typer.Context) -> None:
    """Measure how well texts are understood, on every set of a folder: accuracy, out of scope, speed, memory."""
    from gateway.app.bench.nlu import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "rates",
    epilog="Example: [bold]tertulia bench rates --messages 2000[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_rates(context: typer.Context) -> None:
    """Measure whether a burst keeps every channel's rate, uses it up, and is fair, in simulated time."""
    from gateway.app.bench.rates import main as measure

    raise typer.Exit(measure(context.args))


@app.command(epilog="Example: [bold]tertulia evaluate --test questions.csv --junit report.xml --min-accuracy 0.9[/]")
def evaluate(  # noqa: PLR0917  typer calls it by name
    config: Config = None,
    task: Annotated[str, typer.Option(help="What to evaluate: intent, sentiment, or a folder of tasks/.")] = "intent",
    test: Annotated[
        Path | None, typer.Option(help="Judge this file (.yml, .csv, .jsonl) instead of cross-validating.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Parts of the cross-validation.", min=2, max=20)] = 5,
    model: Annotated[str, typer.Option(help="With --test: this version (v0007); otherwise the live one.")] = "",
    is_quick: Annotated[
        bool, typer.Option("--quick", help="Train the quick way, without hidden labels and learning curves.")
    ] = False,
    as_json: AsJson = False,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit report.", dir_okay=False)] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Fail below this.", min=0, max=1)] = None,
    min_f1: Annotated[float | None, typer.Option(help="Fail below this macro F1.", min=0, max=1)] = None,
    min_label_f1: Annotated[float | None, typer.Option(help="Fail when any label's F1 is below.", min=0, max=1)] = None,
    max_ece: Annotated[float | None, typer.Option(help="Fail above this calibration error.", min=0, max=1)] = None,
    min_auroc: Annotated[float | None, typer.Option(help="Fail below this AUROC of scope.", min=0, max=1)] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw SVG and PNG into this folder.", file_okay=False)] = None,
    is_drift: Annotated[
        bool, typer.Option("--drift", help="Instead: whether customers' words have moved away from what they were.")
    ] = False,
) -> None:
    """Say how well texts are understood, what is mixed up, and where more examples help."""
    if is_drift:
        from gateway.app.commands.drift import run_drift

        run_drift(config, as_json=as_json)
        return
    from gateway.app.commands.evaluate import Asked, run_evaluate
    from nlp.evaluation.junit import Limits

    limits = Limits(min_accuracy, min_f1, min_label_f1, max_ece, min_auroc)
    run_evaluate(
        config,
        Asked(
            task=task,
            test=test,
            folds=folds,
            model=model,
            is_quick=is_quick,
            as_json=as_json,
            junit=junit,
            plots=plots,
            limits=limits,
        ),
    )


@bench_app.command(
    "batch",
    epilog="Example: [bold]tertulia bench batch --texts 300000[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_batch(context: typer.Context) -> None:
    """Measure `classify` on many texts: rate, memory, a kill halfway, the same labels as online."""
    from gateway.app.bench.batch import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "entities",
    epilog="Example: [bold]tertulia bench entities --json[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_entities(context: typer.Context) -> None:
    """Measure what finding entities costs, and read hostile texts without harm."""
    from gateway.app.bench.entities import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "hostile",
    epilog="Example: [bold]tertulia bench hostile --json[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_hostile(context: typer.Context) -> None:
    """Predict intent, sentiment and language of hostile texts without harm, and say what the worst one costs."""
    from gateway.app.bench.hostile import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "swap",
    epilog="Example: [bold]tertulia bench swap --json[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_swap(context: typer.Context) -> None:
    """Change the model again and again under load, and train one beside serving."""
    from gateway.app.bench.swap import main as measure

    raise typer.Exit(measure(context.args))


@bench_app.command(
    "handoff",
    epilog="Example: [bold]tertulia bench handoff --quick[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_handoff(context: typer.Context) -> None:
    """Hand a thousand conversations to a Zendesk at once, in good times and in bad, and check every word."""
    from gateway.app.bench.handoff import main as measure

    raise typer.Exit(measure(context.args))


models_app = typer.Typer(no_args_is_help=True, help="Versions of the classifier: which there are, which is live.")
app.add_typer(models_app, name="models")

Version = Annotated[str, typer.Argument(help="As listed, like v0007.")]
Decider = Annotated[str, typer.Option("--by", help="Who decides; it is written down.", envvar="TERTULIA_AGENT")]
Why = Annotated[str, typer.Option("--why", help="Why; it is written down.")]


@models_app.command("list", epilog="Example: [bold]tertulia models list --json[/]")
def models_list(config: Config = None, task: Task = "intent", as_json: AsJson = False) -> None:
    """List the versions, newest first, with what they reach and which is live."""
    from gateway.app.commands.models import list_models

    list_models(config, task=task, as_json=as_json)


@models_app.command("show", epilog="Example: [bold]tertulia models show v0007[/]")
def models_show(
    version: Annotated[str, typer.Argument(help="As listed; the live one when left out.")] = "",
    config: Config = None,
    task: Task = "intent",
    as_json: AsJson = False,
) -> None:
    """Show one version: metrics, what it mixes up, examples, libraries, and when it was live."""
    from gateway.app.commands.models import show_model

    show_model(config, version, task=task, as_json=as_json)


@models_app.command("explain", epilog='Example: [bold]tertulia models explain "no me anda la señal"[/]')
def models_explain(
    text: Annotated[str, typer.Argument(help="What a customer might write; - reads it from standard input.")],
    version: Annotated[str, typer.Option("--version", help="As listed; the live one when left out.")] = "",
    config: Config = None,
    task: Task = "intent",
    as_json: AsJson = False,
) -> None:
    """Say why a text is understood as it is: the nearest examples, the words that decided, why it is turned away."""
    from gateway.app.commands.explain import explain_text

    explain_text(config, text, version=version, task=task, as_json=as_json)


@models_app.command("compare", epilog="Example: [bold]tertulia models compare v0008[/]")
def models_compare(
    candidate: Version,
    live: Annotated[str, typer.Argument(help="What to hold it against; the live one when left out.")] = "",
    config: Config = None,
    task: Task = "intent",
    as_json: AsJson = False,
) -> None:
    """Hold a version against the live one, on the fixed tests and on recent texts; 1 when it would be refused."""
    from gateway.app.commands.models import compare_models

    compare_models(config, candidate, live, task=task, as_json=as_json)


@models_app.command(
    "promote", epilog='Example: [bold]tertulia models promote v0008 --why "more examples of refunds"[/]'
)
def models_promote(
    version: Version,
    config: Config = None,
    task: Task = "intent",
    why: Why = "",
    by: Decider = "",
    is_forced: Annotated[bool, typer.Option("--force", help="Even if the gate does not let it through.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a version live on every node, while they serve; refused with figures when it is worse."""
    from gateway.app.commands.models import promote_model

    promote_model(config, version, task=task, by=by, why=why, is_forced=is_forced, as_json=as_json)


@models_app.command("rollback", epilog='Example: [bold]tertulia models rollback --why "refunds go wrong"[/]')
def models_rollback(
    config: Config = None, task: Task = "intent", why: Why = "", by: Decider = "", as_json: AsJson = False
) -> None:
    """Make live again what was live before; repeated, what was live before that."""
    from gateway.app.commands.models import roll_back_model

    roll_back_model(config, task=task, by=by, why=why, as_json=as_json)


@models_app.command("history", epilog="Example: [bold]tertulia models history[/]")
def models_history(config: Config = None, task: Task = "intent", as_json: AsJson = False) -> None:
    """List who made what live, when and why."""
    from gateway.app.commands.models import show_history

    show_history(config, task=task, as_json=as_json)


@models_app.command("remove", epilog="Example: [bold]tertulia models remove --keep 10[/]")
def models_remove(
    versions: Annotated[list[str] | None, typer.Argument(help="As listed, like v0007.", metavar="VERSION…")] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", help="Instead of naming them: all but the newest so many.", min=1)
    ] = None,
    config: Config = None,
    task: Task = "intent",
    is_forced: Annotated[
        bool, typer.Option("--force", help="Also the shadow and what a rollback would bring back. Never the live one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove versions for good. What is live, in the shadow or needed to roll back to stays."""
    from gateway.app.commands.models import remove_models

    remove_models(config, versions or [], task=task, keep=keep, is_forced=is_forced, as_json=as_json)


shadow_app = typer.Typer(no_args_is_help=True, help="A candidate beside the live model, on real turns, unseen.")
models_app.add_typer(shadow_app, name="shadow")


@shadow_app.command("start", epilog="Example: [bold]tertulia models shadow start v0008[/]")
def models_shadow_start(version: Version, config: Config = None, task: Task = "intent") -> None:
    """Ask a version what the live one is asked, after each answer, and count the differences."""
    from gateway.app.commands.models import start_shadow

    start_shadow(config, version, task=task)


@shadow_app.command("stop", epilog="Example: [bold]tertulia models shadow stop[/]")
def models_shadow_stop(config: Config = None, task: Task = "intent") -> None:
    """End it. What was counted can still be shown."""
    from gateway.app.commands.models import start_shadow

    start_shadow(config, "", task=task)


@shadow_app.command("show", epilog="Example: [bold]tertulia models shadow show --json[/]")
def models_shadow_show(
    version: Annotated[str, typer.Argument(help="As listed; the one that runs when left out.")] = "",
    config: Config = None,
    task: Task = "intent",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show where it differs: by pair of intents, with ids of messages as examples, without texts."""
    from gateway.app.commands.models import show_shadow

    show_shadow(config, version, task=task, limit=limit, as_json=as_json)


@app.command(
    epilog="Example: [bold]tertulia classify reviews.csv result --text-column review --id-column id[/] — many files: "
    '[bold]tertulia classify "s3://shop/chats/*.jsonl.gz" result --format csv --task intent --task sentiment[/]'
)
def classify(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="File, folder, glob or s3://: CSV, JSONL (.gz too), Parquet.")
    ],
    target: Annotated[str, typer.Argument(metavar="OUT", help="Folder for the result, local or s3://.")],
    *,
    task: Annotated[
        list[str] | None, typer.Option(help="intent, sentiment or a task of the bot; can be repeated.")
    ] = None,
    extract: Annotated[str, typer.Option(help="Kinds of entities, by commas: number,amount,date …; or all.")] = "",
    text_column: Annotated[str, typer.Option(help="Where the text stands.")] = "text",
    id_column: Annotated[
        list[str] | None, typer.Option(help="A column that the result takes over; can be repeated.")
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",
    encoding: Annotated[str, typer.Option(help="Of CSV and JSONL: utf-8, cp1252 …")] = "utf-8",
    model: Annotated[str, typer.Option(help="A version like v0007; otherwise the one that serves.")] = "",
    language: Annotated[str, typer.Option(help="Of all texts; otherwise each text's own is detected.")] = "",
    at: Annotated[
        datetime | None, typer.Option(help='When the texts were written, for "tomorrow"; otherwise now.')
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0: one for each core.", min=0, max=256)] = 0,
    partition_rows: Annotated[int, typer.Option(help="Rows of one part.", min=100, max=10_000_000)] = 20_000,
    is_resumed: Annotated[bool, typer.Option("--resume", help="Go on where an earlier call stopped.")] = False,
    is_overwritten: Annotated[bool, typer.Option("--overwrite", help="Remove an earlier call's result first.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Classify many texts: reviews, transcripts, surveys. What cannot be read is put aside with the reason."""
    from gateway.app.commands.classify import asked_for, run_classify

    run_classify(
        config,
        asked_for(
            source, target, task or [], extract=extract, text_column=text_column, id_columns=id_column or [],
            output_format=output_format, encoding=encoding, model=model, language=language, at=at, workers=workers,
            partition_rows=partition_rows, is_resumed=is_resumed, is_overwritten=is_overwritten,
        ),
        as_json=as_json,
    )  # fmt: skip


@app.command(epilog="Example: [bold]tertulia label[/] — or: [bold]tertulia label --export review.csv[/]")
def label(
    config: Config = None,
    file: Annotated[str, typer.Option(help="Where accepted texts go, in the bot's folder.")] = "nlu/learned.yml",
    limit: Annotated[int, typer.Option(help="At most so many texts, the most frequent.", min=1, max=2_000)] = 1_000,
    export: Annotated[Path | None, typer.Option(help="Write them to a .csv or .jsonl instead.", dir_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Review what the bot did not understand, group by group: accepted texts become examples in its folder."""
    from gateway.app.commands.label import run_label

    run_label(config, file=file, limit=limit, export=export, as_json=as_json)


def main() -> None:
    """Entry point of the ``tertulia`` command."""
    # the classifier's products are small: more threads would wait for one another and take the turns' processor
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except BrokenPipeError:  # whoever read has left (``| head``), also after the work is done
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
