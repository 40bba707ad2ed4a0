"""Floor 0: the words of the product as types, and the ports that lower floors call upwards through. No I/O."""
