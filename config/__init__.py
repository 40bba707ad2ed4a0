"""The settings' shape and defaults, and the bot's folder: files, and what loads and checks them."""
