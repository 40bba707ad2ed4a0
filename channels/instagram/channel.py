"""The adapter itself: what discovery finds, joined from the modules beside it and what Meta's apps share."""

from __future__ import annotations

from channels._meta.messaging.channel import MessagingChannel
from channels.instagram.dialect import INSTAGRAM
from channels.instagram.parse import parse
from channels.instagram.render import render
from channels.instagram.settings import InstagramSettings
from channels.instagram.verify import verify
from gateway.core.clock import SystemClock

channel = MessagingChannel(INSTAGRAM, InstagramSettings, SystemClock(), verify=verify, parse=parse, render=render)
