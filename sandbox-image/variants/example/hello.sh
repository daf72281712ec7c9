#!/usr/bin/env bash
# A tool that a variant adds.
set -euo pipefail
printf 'hello from sandbox %s\n' "${SANDBOX_ID:-without an orchestrator}"
