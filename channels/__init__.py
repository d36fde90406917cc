"""The providers: each module hands one message to one of them and says honestly what came of it."""
