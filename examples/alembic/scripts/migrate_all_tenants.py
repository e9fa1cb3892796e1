#!/usr/bin/env python3
"""Migrates the shared tables, then the schema of each tenant. Stops with exit code 1 if a tenant fails."""
import os
import subprocess
import sys

TENANTS = os.environ.get("TENANTS", "acme globex").split()


def alembic(section: str, **variables: str) -> bool:
    command = ["alembic", "-n", section, "upgrade", "head"]
    return subprocess.run(command, env={**os.environ, **variables}).returncode == 0


if not alembic("shared"):
    sys.exit(1)
failed = [name for name in TENANTS if not alembic("tenant", TENANT_SCHEMA=f"tenant_{name}")]
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
