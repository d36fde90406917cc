"""`make demo`: the whole application on one machine, with local stand-ins for mail and Telegram."""
