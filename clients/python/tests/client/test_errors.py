"""Errors, and how they travel."""

from __future__ import annotations

import copy
import inspect
import pickle
import unittest

import ringback
from ringback import Cancelled, ErrorItem, Failed, Gap, JobError


class NoTea(JobError):
    """One of somebody's own."""


class Errors(unittest.TestCase):
    def test_an_error_is_the_same_in_another_process(self) -> None:
        items = [ErrorItem("missing", "there is no task", ("payload", "task_type"), retry_after=1.5, maybe=True)]
        for kind in (JobError, NoTea):
            error = kind("there is none", code="missing", job_id="an id", attempts=3, errors=items)
            for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
                self.assertIs(type(again), kind)
                self.assertEqual((str(again), vars(again)), (str(error), vars(error)))
        for event in (Failed("an id", error), Cancelled("an id", error), Gap("an id", (1, 2), error)):
            again = pickle.loads(pickle.dumps(event))
            self.assertEqual((type(again), again.job_id, vars(again.error)), (type(event), "an id", vars(error)))

    def test_there_is_no_other_exception(self) -> None:
        kinds = [kind for kind in vars(ringback).values() if inspect.isclass(kind) and issubclass(kind, BaseException)]
        self.assertEqual(kinds, [JobError])
