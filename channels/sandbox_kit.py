"""Everything for a channel's sandbox in one place: the provider's server, its webhooks, and a phone to show.

A sandbox opens the two and closes them in reverse, and answers to ``channels.sandboxes``:

    class ChatSandbox(ServedSandbox):
        def __init__(self, webhook_url: str, *, clock: Clock | None = None, time_scale: float = 1.0) -> None:
            self.server = ProviderServer([web.post("/v1/messages", self._take)], clock=clock)
            self.sender = WebhookSender(webhook_url, self._sign, join=join_entries, schedule=(1, 5, 60),
                                        time_scale=time_scale, clock=clock)
        async def _take(self, request: web.Request) -> web.Response:
            call = decode(await request.read())
            if len(call.text) > 2000:
                raise Refused(ProviderAnswer(400, b'{"error": {"code": 100}}'))
            self.handset(call.to).shows(PhoneMessage(id=..., at=..., runs=(Run(call.text),)))
            self.sender.put(receipt(...), key=call.to)
            return web.json_response({"id": ...})
        @property
        def settings_values(self) -> Mapping[str, object]: ...     # api_url: self.server.url
        def person(self, name, *, language, has_started) -> HandsetCustomer: ...
        def phone(self, name: str, language: str) -> Handset: ...
        async def settled(self) -> None:
            await self.sender.settled()

Wrong on demand: ``server.limit_next(3, retry_after_s=2)``, ``fail_next``, ``slow_next``, ``hang_next``,
``drop_next(takes_effect=True)``, ``answer_next(answer, which=lambda call: call.path.endswith("/messages"))``;
``sender.redeliver_next(5)``, ``reorder_next(2)``, ``batch_next(4)``, ``drop_answer_next()``. What came in stands in
``server.calls``. A file that a call names by its address is fetched by ``server.fetch(url)``.
"""

from channels.handset import Acts, Handset, HandsetCustomer, HandsetReply, buttons_of, words_of
from channels.sandbox_life import ServedSandbox
from channels.sandbox_server import ProviderServer, Refused, ServedCall, any_call, require_loopback
from channels.sandbox_webhooks import WebhookSender

__all__ = [
    "Acts",
    "Handset",
    "HandsetCustomer",
    "HandsetReply",
    "ProviderServer",
    "Refused",
    "ServedCall",
    "ServedSandbox",
    "WebhookSender",
    "any_call",
    "buttons_of",
    "require_loopback",
    "words_of",
]
