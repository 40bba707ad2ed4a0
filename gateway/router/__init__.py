"""Floor 5: the three steps of the pipeline (receive, respond, deliver), timers, and what agents may do."""
