"""Credentials: tokens and roles, the sign-in, and the check of every request."""
