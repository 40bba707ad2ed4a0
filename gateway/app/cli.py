"""The command line. Only names, options and help stand here, so that ``--help`` is quick; the work is imported late."""

from __future__ import annotations

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


@app.command(epilog="Example: [bold]tertulia demo[/] — or, in the terminal: [bold]tertulia demo --terminal[/]")
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
) -> None:
    """Show it all on one page: phones, desk and pipeline, with sandboxes in the providers' place. Nothing leaves."""
    from gateway.app.commands.demo import run_demo

    run_demo(config, bot=bot, channel=channel, customer=name, language=language, is_terminal=is_terminal)


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


@app.command(epilog="Example: [bold]tertulia train --json[/]")
def train(config: Config = None, as_json: AsJson = False) -> None:
    """Train the bot's classifier from its examples, and say how good it is."""
    from gateway.app.commands.train import run_train

    run_train(config, as_json=as_json)


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


keys_app = typer.Typer(no_args_is_help=True, help="Keys of your own systems for the API.")
app.add_typer(keys_app, name="keys")


@keys_app.command("create", epilog="Example: [bold]tertulia keys create shop --account whatsapp.main.support[/]")
def keys_create(
    name: Annotated[str, typer.Argument(help="Which system it is for; agents see it beside its messages.")],
    scope: Annotated[list[str] | None, typer.Option(help="messages:write, messages:read; can be repeated.")] = None,
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
    "rates",
    epilog="Example: [bold]tertulia bench rates --messages 2000[/]",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench_rates(context: typer.Context) -> None:
    """Measure whether a burst keeps every channel's rate, uses it up, and is fair, in simulated time."""
    from gateway.app.bench.rates import main as measure

    raise typer.Exit(measure(context.args))


def main() -> None:
    """Entry point of the ``tertulia`` command."""
    app()


if __name__ == "__main__":
    main()
