"""The adapter itself: what discovery finds, joined from the modules beside it and what Meta's apps share."""

from __future__ import annotations

from channels._meta.messaging.channel import MessagingChannel
from channels.messenger.dialect import MESSENGER
from channels.messenger.parse import parse
from channels.messenger.render import render
from channels.messenger.settings import MessengerSettings
from channels.messenger.verify import verify
from gateway.core.clock import SystemClock

channel = MessagingChannel(MESSENGER, MessengerSettings, SystemClock(), verify=verify, parse=parse, render=render)
