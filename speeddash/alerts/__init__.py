"""Alerts: events above a source's limit, found in readings and delivered to a webhook."""
