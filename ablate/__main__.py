"""``python -m ablate`` is the console command."""

from ablate.cli import main

main()
