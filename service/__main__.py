"""`python -m service` is `callgate`."""

from service.cli import main

main()
