"""What terraform itself says, where it is installed. Needs no provider; tools/check_terraform.py does without both."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from check_terraform import check_form  # noqa: E402

FOLDER = ROOT / "deploy/terraform"
pytestmark = pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed")
RIGHT = {"region": "eu-central-1", "bucket_name": "our-homes",
         "ssh_public_key": "ssh-ed25519 AAAAC3Nz somebody"}


def terraform(*arguments, folder, **variables):
    settings = {f"TF_VAR_{name}": value for name, value in variables.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1", **settings}
    return subprocess.run(["terraform", *arguments], cwd=folder, env=environment, timeout=60,
                          capture_output=True, text=True)


def test_it_is_formatted():
    done = terraform("fmt", "-check", "-diff", folder=FOLDER)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name, old, new", [
    ("registry.tf", "      action = {", "    action = {"),
    ("registry.tf", "    }]", "      }]"),
    ("host.tf", "instance_type          =", "instance_type ="),
    ("storage.tf", "sid       =", "sid =")])
def test_our_checker_and_terraform_find_the_same(tmp_path, name, old, new):
    good = (FOLDER / name).read_text()
    assert old in good and not list(check_form(name, good))
    bad = good.replace(old, new, 1)
    (tmp_path / name).write_text(bad)
    assert terraform("fmt", "-check", folder=tmp_path).returncode != 0
    assert list(check_form(name, bad))


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    """The variables alone: they can be tried without a provider."""
    folder = tmp_path_factory.mktemp("variables")
    shutil.copy(FOLDER / "variables.tf", folder)
    return folder


def plan(folder: pathlib.Path, **changes):
    return terraform("plan", "-input=false", "-no-color", "-lock=false", folder=folder,
                     **{**RIGHT, **changes})


@pytest.mark.parametrize("changes", [
    {}, {"ssh_cidr_blocks": '["203.0.113.0/24"]', "api_cidr_blocks": '["10.0.0.0/8"]'},
    {"instance_type": "c7i-flex.2xlarge", "vpc_id": "vpc-0123456789abcdef0", "api_port": "8443"}])
def test_right_values_are_taken(variables, changes):
    done = plan(variables, **changes)
    assert done.returncode == 0, done.stderr


WRONG = {"region": "us-east", "name": "X", "environment": "Prod", "bucket_name": "a.b",
         "instance_type": "t3.nano", "root_volume_gb": "5", "data_volume_gb": "20.5", "vpc_id": "vpc",
         "subnet_id": "vpc-01234567", "ssh_cidr_blocks": '["0.0.0.0/0"]',
         "api_cidr_blocks": '["10.0.0.1/33"]', "api_port": "22", "ssh_public_key": "ssh-rsa AAAA",
         "noncurrent_days": "0", "images_kept": "1"}


def test_wrong_values_are_refused_by_name(variables):
    """All in one run: each has its own complaint."""
    done = plan(variables, **WRONG)
    assert done.returncode != 0
    missing = [name for name in WRONG if f"var.{name}" not in done.stderr]
    assert not missing, done.stderr
    assert set(WRONG) == {line.split('"')[1] for line in (FOLDER / "variables.tf").read_text().splitlines()
                          if line.startswith("variable ")}
