import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from orchestrator import Orchestrator  # noqa: E402
from s3_faults import S3Faults  # noqa: E402
from s3_server import S3  # noqa: E402
from servers import Postgres, PrivateDocker  # noqa: E402


@pytest.fixture(scope="session")
def shared():
    """One orchestrator for the tests that do not hurt it."""
    one = Orchestrator().start()
    yield one
    one.close()


@pytest.fixture
def own():
    """Makes orchestrators that a test may hurt."""
    made = []

    def make(**settings):
        made.append(Orchestrator(**settings))
        return made[-1]

    yield make
    for one in made:
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
