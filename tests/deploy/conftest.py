import sys

import pytest
from host import Host


@pytest.fixture(scope="session")
def tell():
    """Prints a figure for whoever reads the run; it is no part of any check."""
    def say(*words):
        print("    figures:", *words, file=sys.__stdout__, flush=True)
    return say


@pytest.fixture(scope="module")
def new_host(tmp_path_factory):
    made = []

    def make(purpose):
        made.append(Host(purpose, tmp_path_factory.mktemp(purpose)))
        return made[-1]

    yield make
    for one in made:
        one.close()
