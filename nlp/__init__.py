"""Floor 2: understanding, one folder an ability: language, training data, intents."""
