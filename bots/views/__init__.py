"""Pages under `/bots/`: list, wizard, bot details and actions."""
