"""Floor 4: reports, exports and forwarders over the closed list of events. Empty until they are built."""
