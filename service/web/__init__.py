"""HTTP: the URL table, the webhook, the admin API and the probes. No rule of the domain lives here."""
