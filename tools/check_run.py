"""What the checkers of files share: their one option, and how they end."""
import sys


def run(self_test, check, fine):
    """The exit code. check: gives a line for each thing that is wrong; fine: what is said where nothing is."""
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if arguments:
        sys.exit("matrx: it takes --self-test or nothing.")
    found = list(check())
    for line in found:
        print(line)
    if not found:
        print(fine)
    return 1 if found else 0
