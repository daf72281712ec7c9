import os
import pathlib
import re
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from orchestrator import Orchestrator, Running  # noqa: E402
from s3_faults import S3Faults  # noqa: E402
from s3_server import S3  # noqa: E402
from servers import Postgres, PrivateDocker  # noqa: E402

LOGS = pathlib.Path(__file__).resolve().parents[2] / "build/logs"
# "PORT FOLDER KEY" of an orchestrator that runs already; see orchestrator.Running.
RUNNING = os.environ.get("MATRX_TEST_RUNNING", "").split()


# What takes a minute or more goes first: a file runs in one worker, and the last ones should be short.
LONGEST_FILES = ["test_homes", "test_postgres", "test_home_fidelity", "test_failpoints_sqlite",
                 "test_failpoints_postgres", "test_cold", "test_live_feed", "test_terminal", "test_processes",
                 "test_pause_and_idle", "test_crash", "test_ssh", "test_image_contract"]


def pytest_collection_modifyitems(config, items):
    """In an order that is quick in several workers; with an orchestrator that runs already only the tests that do not
    hurt it."""
    places = {name: place for place, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    if RUNNING:
        others = [item for item in items if "shared" not in item.fixturenames]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def shared():
    """One orchestrator for the tests that do not hurt it; with SSH, so that every route has something to answer."""
    one = Running(*RUNNING) if RUNNING else Orchestrator(MATRX_SSH_PORT="0").start()
    yield one
    one.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    item.has_failed = getattr(item, "has_failed", False) or outcome.get_result().failed


@pytest.fixture
def own(request):
    """Makes orchestrators that a test may hurt. Where it fails, their logs stay in build/logs."""
    made = []

    def make(**settings):
        made.append(Orchestrator(**settings))
        return made[-1]

    yield make
    for number, one in enumerate(made, 1):
        if request.node.has_failed and one.log_path.exists():
            name = re.sub(r"\W+", "-", request.node.name)
            LOGS.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(one.log_path, LOGS / f"{name}-{number}.log")
        one.close()


@pytest.fixture(scope="session")
def postgres():
    """A database server for all tests that need one."""
    one = Postgres()
    yield one
    one.close()


@pytest.fixture
def database(postgres):
    """The URL of a database with our tables, empty."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def s3():
    """An S3 server for all tests that need one; who stops it starts it again."""
    one = S3()
    yield one
    one.close()


@pytest.fixture
def faults(s3):
    """A way to the S3 server on which things go wrong when a test says so."""
    one = S3Faults(s3.port)
    yield one
    one.close()


@pytest.fixture(scope="module")
def engine():
    """A container engine of its own, that a test may hurt."""
    one = PrivateDocker()
    yield one
    one.close()


@pytest.fixture
def box(shared):
    """A sandbox of the shared orchestrator."""
    sandbox = shared.create()
    yield sandbox["sandbox_id"]
    shared.destroy(sandbox["sandbox_id"], "?graceful=false")
