"""Policies, one a file: options, the shell that wraps, and the pure decision."""
