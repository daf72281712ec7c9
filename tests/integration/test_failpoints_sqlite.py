"""Kills at every step, with the registry in SQLite."""
import pytest
from failpoints import PROGRAM, SCENARIOS, SETTINGS, kill_at_every_step

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda kind: kind.__name__)
def test_killed_at_every_step(own, engine, scenario):
    one = own(program=PROGRAM, MATRX_SANDBOX_STORE="sqlite", **SETTINGS, **engine.settings())
    kill_at_every_step(one, engine, scenario, restart_each=2)
