"""The webhook: events over HTTP, served by Airflow's API server. See docs/how-to/send-events.md."""
