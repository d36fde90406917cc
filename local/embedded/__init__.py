"""PostgreSQL and Temporal without Docker: for the demo, the tests, the benchmark and `cli.py servers`.

Not for production. Nothing of the application is imported here, and the application imports this package only
where an operator asked for embedded servers.
"""
