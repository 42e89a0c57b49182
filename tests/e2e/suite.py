# SPDX-License-Identifier: GPL-2.0-or-later
"""Python's own tests, with their outcomes one a line.

usage: suite.py OUT MODULE...       runs the modules and writes "test outcome" lines to OUT
       suite.py --compare OUT OUT   says what differs; exit status 1 if anything does
"""

import sys
import unittest


class Outcomes(unittest.TestResult):
    """Remembers how each test ended, and why where it did not end well."""

    def __init__(self):
        super().__init__()
        self.lines = {}
        self.reasons = []

    def note(self, test, outcome, error=None):
        self.lines[test.id()] = outcome
        if error:
            self.reasons.append(self._exc_info_to_string(error, test))

    def addSuccess(self, test):
        self.lines.setdefault(test.id(), "ok")

    def addError(self, test, err):
        self.note(test, "error", err)

    def addFailure(self, test, err):
        self.note(test, "failure", err)

    def addSubTest(self, test, subtest, err):
        if err:
            self.note(test, "failure", err)

    def addSkip(self, test, reason):
        self.note(test, "skipped")

    def addExpectedFailure(self, test, err):
        self.note(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected success")


def run(out, modules):
    outcomes = Outcomes()
    unittest.defaultTestLoader.loadTestsFromNames(modules).run(outcomes)
    with open(out, "w", encoding="utf-8") as file:
        for test in sorted(outcomes.lines):
            print(test, outcomes.lines[test], file=file)
    for reason in outcomes.reasons:
        print(reason, file=sys.stderr)


def compare(first, second):
    with open(first, encoding="utf-8") as a, open(second, encoding="utf-8") as b:
        lines, others = set(a), set(b)
    for line in sorted(lines - others):
        print("without:", line, end="")
    for line in sorted(others - lines):
        print("with:", line, end="")
    print(len(lines), "tests,", len(lines - others), "differ")
    return lines != others


if sys.argv[1] == "--compare":
    sys.exit(compare(*sys.argv[2:4]))
run(sys.argv[1], sys.argv[2:])
