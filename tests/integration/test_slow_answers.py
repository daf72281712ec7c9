"""A request may take its time."""
import pytest

pytestmark = pytest.mark.integration


def test_an_answer_that_takes_longer_than_a_body_may(shared, box):
    """The client sends head and body in two pieces, as most do."""
    assert shared.run(box, "sleep 33; echo done", timeout=60)["stdout"] == "done\n"
