"""Examples of Instagram's wire for the contract suite."""

from __future__ import annotations

from channels._meta.messaging.specimen import MessagingSpecimen
from channels.instagram.sandbox import APP, instagram_sandbox
from channels.instagram.settings import InstagramSettings

specimen = MessagingSpecimen(APP, InstagramSettings, instagram_sandbox)
