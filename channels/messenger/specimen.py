"""Examples of Messenger's wire for the contract suite."""

from __future__ import annotations

from channels._meta.messaging.specimen import MessagingSpecimen
from channels.messenger.sandbox import APP, messenger_sandbox
from channels.messenger.settings import MessengerSettings

specimen = MessagingSpecimen(APP, MessengerSettings, messenger_sandbox)
